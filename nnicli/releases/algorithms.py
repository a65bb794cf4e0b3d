"""Where each release keeps registered algorithms: one row per family, newest last."""

from __future__ import annotations

from dataclasses import dataclass, replace

from nnicli.versions import ReleaseTable


@dataclass(frozen=True, slots=True)
class AlgorithmRegistry:
    """Where a family keeps the algorithms that its users registered (source, 1.8 to 3.0).

    Attributes:
        since: First release of the family.
        file: Name of the file.
        is_next_to_manager: Whether it is in `config` next to main.js; otherwise it is in the
            environment's `nni` directory, or in the user's `~/.config/nni` if that is neither a
            virtual nor a conda environment.
        variable: Environment variable that names another directory, empty if there is none.
        name_key: Key of an algorithm's name in it.
        class_key: Key of its class.
        registers_extras: Whether it also lists built-in algorithms that need further packages.
    """

    since: str
    file: str
    is_next_to_manager: bool
    variable: str
    name_key: str
    class_key: str
    registers_extras: bool


_1_8 = AlgorithmRegistry(
    since="1.8",
    file="installed_packages.yml",
    is_next_to_manager=True,
    variable="",
    name_key="name",
    class_key="class_name",
    registers_extras=True,
)
_2_0 = AlgorithmRegistry(
    since="2.0",
    file="registered_algorithms.yml",
    is_next_to_manager=False,
    variable="",
    name_key="builtinName",
    class_key="className",
    registers_extras=False,
)
_2_4 = replace(_2_0, since="2.4", variable="NNI_CONFIG_DIR")
ALGORITHM_REGISTRIES = ReleaseTable(_1_8, _2_0, _2_4, through="3.0")
