"""Subjects of claims: how prose says that code does something, and what in code may do it."""

from __future__ import annotations

import re
from dataclasses import dataclass

from trainlint.lint.lower.prose import HEDGES, says_no_more


@dataclass(frozen=True)
class Subject:
    """One thing that prose can say of the code.

    A source without one of the bytes in `screen` says nothing of it. `said` is the statement;
    `doubts` are words that make a sentence about something else. What is not a comment in a code
    that matches `does` may do what is said. `plain`: it counts in comments and docstrings only.
    """

    what: str
    screen: tuple[bytes, ...]
    said: re.Pattern[str]
    doubts: re.Pattern[str] | None
    does: re.Pattern[str]
    plain: bool = True

    def stated(self, text: str) -> re.Match[str] | None:
        """The words of a sentence that state it, as a fact."""
        match = self.said.search(text)
        if match is None or self.hedged(text):
            return None
        rest = f"{text[: match.start()]} {text[match.end() :]}"
        return match if not self.plain or says_no_more(rest) else None

    def hedged(self, text: str) -> bool:
        """Whether a sentence is no statement of fact, or is about something else."""
        if HEDGES.search(text) is not None:
            return True
        return self.doubts is not None and self.doubts.search(text) is not None


def _words(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.IGNORECASE | re.VERBOSE)


_BETWEEN = (
    r"(?:the|all|its|their|our|these|any|large|exploding|total|global|l2|norms?|values?|of|"
    r"model(?:'s)?|network(?:'s)?|parameters?(?:')?|by|each|every|generator|discriminator|"
    r"critic|actor|encoder|decoder|policy|magnitude|to|and|rescale|scale)"
)
_GRAD = r"grad(?:ient)?s?"
CLIP_OPTION = re.compile(
    rf"^-*(?:\w{{1,40}}[-_])?(?:{_GRAD}[-_](?:norm[-_]|value[-_])?clip(?:ping|[-_]\w+)?"
    rf"|clip[-_]{_GRAD}(?:[-_]\w+)?|max[-_]{_GRAD}[-_]norm)$",
    re.IGNORECASE,
)


CLIP = Subject(
    "clip",
    (
        b"clip",
        b"Clip",
        b"CLIP",
        b"clamp",
        "裁剪".encode(),
        "剪裁".encode(),
        "截断".encode(),
        "剪切".encode(),
        b"max_grad_norm",
        b"max-grad-norm",
    ),
    said=_words(
        rf"""
      \b{_GRAD}(?:['’]s?)?(?:[\s_-]+(?:norm|value)s?)?[\s_-]+clip(?:ping|ped|s)?\b
    | \bclip(?:s|ped|ping)?[\s_-]+(?:{_BETWEEN}[\s_-]+){{0,5}}{_GRAD}\b
    | \b{_GRAD}(?:\s+norms?)?\s+(?:is|are|get|gets|being|be|was|were)\s+(?:\w+\s+)?clipped\b
    | clip_grad(?:_norm|_value)?_?\b
    | 梯度.{{0,6}}?(?:裁剪|剪裁|截断|剪切) | (?:裁剪|剪裁|剪切).{{0,6}}?梯度
    """
    ),
    doubts=_words(
        r"""\b(?:weights?|rewards?|ratio|surrogate|objective|box(?:es)?|images?|actions?|observations?
        |policy\s+gradient|lipschitz|straight-through)\b | 权重裁剪"""
    ),
    does=_words("clip"),
    plain=False,
)

_GPUS = (
    r"(?:all|multiple|several|many|both|two|four|eight|[248])\s+"
    r"(?:of\s+)?(?:the\s+)?(?:available\s+)?(?:gpus?|devices)\b"
)
PARALLEL = Subject(
    "parallel",
    (
        b"arallel",
        b"GPU",
        b"gpu",
        b"DDP",
        b"istributed",
        "并行".encode(),
        "分布式".encode(),
        "多卡".encode(),
    ),
    said=_words(
        rf"""
      \bdata[\s_-]*parallel(?:ism)?\b | \bdistributed\s*data\s*parallel\b
    | \bdistributed\s+training\b | \b(?:use|uses|using|with|wrap\w*|initiali[sz]e)\s+DDP\b
    | \bmulti[\s-]*gpu\s+(?:training|support)\b
    | \b(?:uses?|using|train(?:s|ing)?|runs?|parallel\w*|spread\w*|splits?)\s+
      (?:the\s+)?(?:model\s+|batch\s+|batches\s+|training\s+)?(?:on\s+|across\s+|over\s+)?{_GPUS}
    | 多\s?(?:卡|GPU)(?:并行)?训练 | 数据并行 | 分布式训练 | 使用多(?:卡|个?\s?GPU)
    """
    ),
    doubts=_words(
        r"""\b(?:single|one|launch\w*|slurm|torchrun|cluster|other|processes|seeds?|visible
        |licen[cs]e|mode|before|constructor|divides?|metrics|logging|generate|tensors?|copy|move|model\s+parallel\w*|loaders?|workers?|memory)\b"""
    ),
    does=_words(
        r"parallel|distribut|nccl|gloo|ddp|fsdp|horovod|hvd|device_?ids|device_count|rank|world_size"
        r"|spawn|multiprocess|xla|xmp|shard|gpus|replica|scatter|gather|all_?reduce|mesh|devices"
    ),
)
STOPPING = Subject(
    "stopping",
    (b"stop", b"Stop", b"STOP", "早停".encode(), "提前停止".encode()),
    said=_words(r"\bearly[\s_-]*stop(?:ping|ped|s)?\b | 早停 | 提前停止"),
    doubts=_words(
        r"""\b(?:found|chosen|determined|obtained|from|number|by\s+hand|manual\w*|kind\s+of|acts?
        |best|select\w*|budget|as)\b"""
    ),
    does=_words(
        r"patience|early|stop|converge|terminat|\bexit\b|quit|finish|done|best|improve|better|counter"
        r"|tolerance|\btol\b|min_|wait|plateau|callback|except|interrupt"
    ),
)
_RATE = r"(?:learning[\s_-]*rates?|lr)\b"
SCHEDULE = Subject(
    "schedule",
    (b"rate", b"Rate", b"RATE", b"lr", b"LR", "学习率".encode()),
    said=_words(
        rf"""
      \b{_RATE}[\s_-]+(?:decay(?:s|ed|ing)?|schedul(?:e[rs]?|ing|ers)
      |anneal(?:s|ed|ing)?|warm[\s-]*up)\b
    | \b{_RATE}\s+(?:is|gets)\s+(?:\w+\s+)?(?:decayed|annealed|warmed\s+up|halved|reduced
      |decreased|divided|lowered|multiplied|scheduled)\b
    | \b(?:decay(?:s|ing)?|anneal(?:s|ing)?|warm(?:s|ing)?[\s-]*up|schedul(?:es?|ing))\s+
      (?:the\s+|our\s+|of\s+)*{_RATE}
    | \b(?:reduces?|halves?|drops?|lowers?|decreases?|divides?|multipl(?:y|ies)|adjusts?)\s+
      (?:the\s+)?{_RATE}.{{0,40}}\b(?:every|each|after|plateau|per\s+epoch|over\s+time)
    | \b(?:cosine|linear|exponential|step)[\s-]+(?:decay|annealing|warm[\s-]*up|schedule)\s+
      (?:of|for)\s+(?:the\s+)?{_RATE}
    | 学习率(?:衰减|调度|预热|退火) | (?:衰减|调整|降低)学习率
    """
    ),
    doubts=_words(
        r"""\b(?:adam\w*|adaptive\w*|rmsprop|adagrad|adadelta|fixed|constant|manual\w*|by\s+hand|beta|noise
        |automatic\w*|finder|two|different|groups?|restart\w*|re-?run|resum\w*|params?|parameters?|args?|import\w*)\b
        | [=] | 自适应"""
    ),
    does=_words(
        r"sched|lambda_?lr|multistep|step_?lr|cosine|param_groups|(?<!weight_)decay|anneal|warm|adjust"
        r"|cycl|plateau|(?:set|update|get|new|change|next|compute|calc)\w{0,40}_lr|lr_at|rate_at|defaults"
        r"|lr_?lambda|[a-z]lr\b|\.\s(?:lr|learning_rate)\s=\s|learning_rate_|(?:lr|rate)\s*(?:[*/+-]=|\[)|\bsetattr\b|reduce_?lr|capturable"
    ),
)
SEED = Subject(
    "seed",
    (b"seed", b"Seed", b"eproducib", b"eterminis", "随机种子".encode(), "复现".encode()),
    said=_words(
        r"""
      \b(?:set(?:s|ting)?|fix(?:es|ed|ing)?)\s+
      (?:the\s+|a\s+|all\s+|our\s+|global\s+|random\s+|manual\s+|numpy\s+|torch\s+|pytorch\s+)*
      seeds?\b(?!\s+(?:text|nodes?|words?|sentence|tokens?|string|image|point|prompt|length|char
      |value|set|list))
    | \bseed(?:s|ed|ing)?\s+(?:everything
      |(?:all\s+|the\s+)*(?:rngs?|random\s+number\s+generators?|generators?))\b
    | \b(?:for|ensures?|ensuring|guarantees?|makes?)\s+(?:the\s+)?(?:reproducible|deterministic)\s+
      (?:results|training|runs|experiments|behaviou?r)\b
    | \b(?:results|training|runs|experiments)\s+(?:is|are)\s+(?:fully\s+)?
      (?:reproducible|deterministic)\b
    | (?:设置|固定|设定)(?:了)?(?:全局)?(?:的)?随机(?:数)?种子
    | (?:保证|确保)(?:实验|结果|训练)?(?:的)?(?:结果)?可(?:复现|重复)
    """
    ),
    doubts=_words(
        r"""\b(?:sort\w*|sav(?:e|es|ing)|logs?|logging|orders?|config\w*|versions?|pin\w*|record\w*|shuffl\w*
        |workers?|cache\w*|different|several|multiple|cpu|single|gym|env\w*|copy|copies|hash\w*|from|given|same)\b"""
    ),
    does=_words(
        r"seed|determinis|random_?state|\brng|rng\b|reproduc|get_rng|set_rng|fix_random|hash"
    ),
)
PRECISION = Subject(
    "precision",
    (b"recision", b"AMP", b"amp", b"16", "混合精度".encode(), "半精度".encode()),
    said=_words(
        r"""
      \b(?:automatic[\s-]+)?mixed[\s-]*precision\b | \bhalf[\s-]*precision\s+(?:training|forward)\b
    | \b(?:uses?|using|enables?|with)\s+(?:torch\s+|native\s+|pytorch\s+)?(?:AMP\b|autocast\b)
    | \b(?:train(?:s|ing)?|forward)\s+(?:pass\s+)?(?:in|with|using)\s+
      (?:fp16|float16|bf16|bfloat16|half[\s-]*precision)\b
    | \b(?:fp16|bf16|float16|bfloat16)\s+training\b
    | 混合精度 | 半精度训练
    """
    ),
    doubts=_words(r"\b(?:full|fp32|float32|single|gpu\s+memory|integers?)\b"),
    does=_words(
        r"autocast|scaler|half|float16|bf16|fp16|bfloat|apex|(?<![a-z])amp(?![a-z])|precision|tf32"
        r"|default_dtype|dtype\s*=|quant|\bbits"
    ),
)
_ON_LAYERS = r"""
      (?=\s*(?:$|[.,:;)\#])|\s+(?:(?:on|to|in|for|of|each|every|all|the|its|this|our)\s+)*
      (?:conv\w*|linear|layers?|discriminator|generator|critic|networks?|model|modules?|kernels?
      |D|G|stabili[sz]\w*|training)\b)"""
_ADDS = r"\b(?:appl(?:y|ies|ied|ying)|adds?|adding|uses?|using|with|wrap\w*)\s+(?:the\s+)?"
_NORM_DOUBTS = _words(
    r"""\b(?:class(?:es)?|samples?|loss(?:es)?|attention|importance|sum|edges?|audio|spectro\w*
    |spectra|data|features?|gradient\s+penalty|batch|lipschitz|eigen\w*|graph)\b"""
)
SPECTRAL = Subject(
    "spectral",
    (b"pectral", "谱归一".encode(), "谱范数".encode()),
    said=_words(
        rf"""
      \bspectral(?:[\s-]+|_)?normali[sz](?:ation|ing|e|es|ed)\b{_ON_LAYERS}
    | {_ADDS}spectral(?:[\s-]+|_)?norm\b | \bspectral[\s_-]?norm\s+(?:on|to|in|for)\b
    | 谱(?:范数)?归一化
    """
    ),
    doubts=_NORM_DOUBTS,
    does=_words(
        r"spec|fft|mel_|(?<![a-z])sn(?![a-z])|sn[a-z_]{0,40}(?:conv|linear|gan)|svd|sigma|power_it"
        r"|lipschitz|eig|singular|parametri[sz]|normalize\b|\bnorm\b|(?:conv|linear)\w{0,40}sn\b"
    ),
)
WEIGHT_NORM = Subject(
    "weight norm",
    (b"eight", "权重归一".encode()),
    said=_words(
        rf"""
      \bweight(?:[\s-]+|_)?normali[sz](?:ation|ing|e|es|ed)\b{_ON_LAYERS}
    | {_ADDS}weight_norm\b | 权重归一化
    """
    ),
    doubts=_NORM_DOUBTS,
    does=_words(
        r"weight_?norm|(?<![a-z])wn(?![a-z])|wn[a-z_]{0,40}(?:conv|linear)|parametri[sz]|weight_[gv]"
        r"|(?<!class_)weight(?!_decay)s?\b|normalize\b|\bnorm\b"
    ),
)
BEST = Subject(
    "best",
    (b"best", b"Best", b"BEST", "最佳".encode(), "最好".encode(), "最优".encode()),
    said=_words(
        r"""
      \b(?:sav(?:e|es|ing)|keep(?:s|ing)?|store[sd]?|checkpoint)\s+(?:the\s+|only\s+|our\s+)*(?:\w+\s+)?best
      (?:[\s-]+(?:performing|validation))?\s+(?:model|checkpoint|weights|parameters|state|network)s?\b
    | \bbest\s+(?:model|checkpoint|weights)\s+(?:is|are|gets)\s+(?:saved|kept|stored)\b
    | (?:保存|存储|保留)(?:了)?(?:当前)?(?:验证集上)?(?:性能|效果|表现)?
      (?:最佳|最好|最优)(?:的)?(?:模型|权重|参数|检查点)
    """
    ),
    doubts=_words(r"\b(?:load\w*|restor\w*|path|name|folder|directory|file|where|download\w*)\b"),
    does=_words(
        r"best|(?<!\.\s)\b(?:max|min)\s\(|minim|lowest|highest|improv|better|top_?k|copy|early_?stop|patience|monitor"
        r"|callback|sort|argm|checkpointer|record|history|optuna"
    ),
)
VALIDATION = Subject(
    "validation",
    (b"alid", b"valuat", "验证".encode(), "评估".encode()),
    said=_words(
        r"""
      \b(?:validat|evaluat)(?:e|es|ing)\s+
      (?:(?:the|our|model|network|net|it|performance|loss|accuracy|of)\s+)*
      (?:on|with|using|over)\s+(?:the\s+|a\s+|our\s+)?(?:validation|val|test|dev|held[\s-]?out)\b
    | \bvalidat(?:e|es|ing)\s+(?:(?:the|our|model|network)\s+)*
      (?:after|every|each|at\s+the\s+end\s+of)\b
    | \bvalidate\s+(?:the\s+)?(?:model|network)\s*(?:[.:]\s*)?(?:$|\#)
    | \bvalidation\s+(?:loop|phase|step|pass)\b
    | ^\#+\s*(?:[-=]+\s*)?(?:validation|validate)\s*(?:[-=.:]+\s*)?(?:$|\#)
    | 在验证集上(?:评估|验证|测试) | 验证(?:模型|阶段|循环)
    """
    ),
    doubts=_words(
        r"""\b(?:splits?|indices|index|sets?\s+(?:and|for)|samplers?|loaders?|args?|arguments|inputs?|shapes?
        |critic|states?|values?|policy|functions?|expressions?|gradients?
        |lazily|import\w*)\b"""
    ),
    does=_words(
        r"val|eval|test|dev(?!ice)|no_grad|inference_mode|hold|cross_val|fold|sample|generate"
    ),
)
SUBJECTS = (CLIP, PARALLEL, STOPPING, SCHEDULE, SEED, PRECISION, SPECTRAL, WEIGHT_NORM, BEST,
            VALIDATION)  # fmt: skip
