"""The configuration: `[tool.trainlint]` in a pyproject.toml, trainlint.toml or .trainlint.toml."""

from trainlint.config.files import Configs
from trainlint.config.model import Config, ConfigError

__all__ = ["Config", "ConfigError", "Configs"]
