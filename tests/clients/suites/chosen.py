"""A pytest plugin: keeps only the tests that the JSON file in SUITE_ONLY names, if there is one."""

import json
import os


def pytest_collection_modifyitems(config, items):
    path = os.environ.get("SUITE_ONLY")
    if not path:
        return
    with open(path) as file:
        wanted = set(json.load(file))

    def name(item):
        parts = item.nodeid.split("::")
        module = parts[0].removesuffix(".py").replace("/", ".")
        return ".".join([module, *parts[1:-1]]) + "::" + parts[-1]

    kept = [item for item in items if name(item) in wanted]
    config.hook.pytest_deselected(items=[item for item in items if item not in kept])
    items[:] = kept
