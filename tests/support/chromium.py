"""A Chromium for the browser tests: one that is there, else one that can be installed without asking."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
PLAYWRIGHT = "from playwright.sync_api import sync_playwright as s\nwith s() as p: print(p.chromium.executable_path)"


def works(path: str) -> bool:
    """Whether this program starts and calls itself a browser; some systems have a stub that only advertises one."""
    try:
        run = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return run.returncode == 0 and "chrom" in run.stdout.lower()


def installed() -> str | None:
    """Path of a browser that is there: the one that PLUM_CHROMIUM names, else one on PATH."""
    candidates = [os.environ.get("PLUM_CHROMIUM"), *(shutil.which(name) for name in NAMES)]
    return next((path for path in candidates if path and works(path)), None)


def from_system() -> str | None:
    """Install the distribution's own, where root may do so; Ubuntu's package is no browser but a hint to use snap."""
    release = Path("/etc/os-release")
    ubuntu = release.exists() and "ID=ubuntu" in release.read_text(encoding="utf-8").splitlines()
    if os.geteuid() != 0 or not shutil.which("apt-get") or ubuntu:
        return None
    print("No Chromium on PATH: installing the distribution's own (apt-get install chromium) ...", flush=True)
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    install = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", "chromium"]
    for command in (install, ["apt-get", "update", "-qq"], install):
        try:
            run = subprocess.run(
                command, env=env, capture_output=True, text=True, timeout=900, stdin=subprocess.DEVNULL, check=False
            )
        except subprocess.TimeoutExpired:
            return None
        if command is install and run.returncode == 0:
            break
    return installed()


def from_playwright() -> str | None:
    """Playwright's own build, kept inside the environment, where its downloads can be reached."""
    os.environ["PLAYWRIGHT_BROWSERS_PATH"] = "0"
    print("No Chromium on PATH: trying Playwright's own ...", flush=True)
    try:
        install = [sys.executable, "-m", "playwright", "install", "--only-shell", "chromium"]
        subprocess.run(install, capture_output=True, timeout=600, stdin=subprocess.DEVNULL, check=False)
        run = subprocess.run([sys.executable, "-c", PLAYWRIGHT], capture_output=True, text=True, timeout=60, check=False)
    except subprocess.TimeoutExpired:
        return None
    path = run.stdout.strip()
    return path if path and works(path) else None


def find() -> str | None:
    """Path of a Chromium that works, installing one if need be; None where none is to be had."""
    return installed() or from_system() or from_playwright()
