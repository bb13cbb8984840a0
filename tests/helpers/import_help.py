"""Imports every module of ours, so that none may stand where a function should."""

import importlib
import pkgutil


def import_all() -> None:
    for package in ("instructify", "instructify_train"):
        module = importlib.import_module(package)
        for found in pkgutil.walk_packages(module.__path__, f"{package}."):
            if not found.name.endswith("__main__"):
                importlib.import_module(found.name)
