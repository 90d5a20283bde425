"""axe-core, which finds faults of accessibility, installed outside the project, once for each version."""

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any, Final

from playwright.async_api import Page

PACKAGE: Final = Path(__file__).parent / "package.json"
INSTALL_TIMEOUT_S: Final = 120.0
FAULTS: Final = {"serious", "critical"}
ALL: Final = "() => axe.run(document, {resultTypes: ['violations'], preload: false})"
"""Without loading styles and media again, which only rules look at that are about sounds, or are tried out."""
SIGHT: Final = """() => axe.run(document, {
    resultTypes: ["violations"], runOnly: ["color-contrast", "scrollable-region-focusable", "link-in-text-block"],
})"""
"""What may be different in other colours or in another size."""


class AxeError(Exception):
    """It is not to be had here, and why."""


def axe_script() -> Path:
    """Return its script.

    Raises:
        AxeError: npm or the package is not to be had.

    """
    cache = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    folder = Path(cache) / "exprsn-browser-tests"
    script, stamp = folder / "node_modules" / "axe-core" / "axe.min.js", folder / ".installed"
    if stamp.exists() and stamp.read_bytes() == PACKAGE.read_bytes() and script.exists():
        return script
    npm = shutil.which("npm")
    if npm is None:
        raise AxeError("npm is not installed, which axe-core comes from")
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(PACKAGE, folder / PACKAGE.name)
    command = [npm, "install", "--omit=dev", "--no-audit", "--no-fund", "--no-package-lock", "--ignore-scripts"]
    done = subprocess.run(command, cwd=folder, capture_output=True, timeout=INSTALL_TIMEOUT_S, check=False)
    if done.returncode:
        raise AxeError(f"npm install failed: {done.stderr.decode(errors='replace')[-500:]}")
    stamp.write_bytes(PACKAGE.read_bytes())
    return script


async def faults(page: Page, script: str, rules: str = ALL) -> list[str]:
    """Return the serious and critical faults of a page, by all rules or some, each with where it is."""
    # Not by a script element: the page's own policy forbids those, and shall.
    await page.evaluate(f"() => {{ if (!window.axe) {{ {script} }} }}")
    found: dict[str, Any] = await page.evaluate(rules)
    return [
        f"{each['id']} ({each['impact']}): {each['help']}: {[node['html'][:200] for node in each['nodes'][:4]]}"
        for each in found["violations"]
        if each["impact"] in FAULTS
    ]
