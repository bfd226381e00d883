#!/usr/bin/python3
"""Makes the manual pages: what is written by hand lies beside what it documents (*.scd), and what a program, the header, the settings or the
protocol's document already say is put in from there, so that no page can differ from what it describes.

    scripts/manuals.py BUILD OUT [NAME=VALUE]...    BUILD has cairnd and cairn; VALUE stands for @NAME@

Fails if a page names an option that no program has, or asks for something that is not known here."""
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
PAGES = {
    "cairn.1": "client/tool/cairn.1.scd",
    "libcairn.3": "client/libcairn.3.scd",
    "cairnd.conf.5": "daemon/config/cairnd.conf.5.scd",
    "cairn-protocol.7": "proto/cairn-protocol.7.scd",
    "cairnd.8": "daemon/cairnd.8.scd",
}


def literal(text):
    return "```\n" + text.strip("\n").replace("```", "'''").replace("\\", "\\\\") + "\n```"


def escape(text):
    """Text of Markdown as scdoc wants it."""
    parts = re.split(r"(`[^`]*`)", re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", text))
    plain = [part[1:-1] if part.startswith("`") else part.replace("**", "") for part in parts]
    return re.sub(r"([\\_*#~<>\[\].])", r"\\\1", "".join(plain)) if text else text


def from_markdown(text):
    """Headings, paragraphs and lists; tables and code stay as they are."""
    out, kept, in_code = [], [], False
    for line in text.splitlines() + [""]:
        if line.startswith("```"):
            in_code = not in_code
            line = None
        if line is not None and (in_code or line.startswith("|")):
            kept.append(line)
            continue
        if kept:
            out += ["", literal("\n".join(kept)), ""]
            kept = []
        if line is None:
            continue
        heading = re.match(r"(#+) (.*)", line)
        if heading:
            level = "# " if len(heading[1]) <= 2 else "## "
            out.append(level + (heading[2].upper() if level == "# " else heading[2]))
        elif re.match(r"\s+\S", line):
            out.append(escape(line.strip()))
        elif re.match(r"- ", line):
            out.append("- " + escape(line[2:]))
        else:
            out.append(escape(line))
    return "\n".join(out)


def said(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def verbs(build):
    """The sections of the verbs, each in the words of its help."""
    names = re.findall(r"^  ([a-z]+(?: [a-z]+)?)\b(?=.*)", said(f"{build}/cairn", "help").split("Options,")[0], re.M)
    sections = []
    for name in dict.fromkeys(names):
        found = subprocess.run([f"{build}/cairn", "help", *name.split()], capture_output=True, text=True)
        if found.returncode == 0:
            sections.append(f"## cairn {name}\n\n" + literal(re.sub(r"(?m)^usage: ", "", found.stdout)))
    return "\n\n".join(sections)


def header():
    text = (ROOT / "client/cairn.h").read_text()
    return literal(text[: text.rindex("#ifdef __cplusplus")])


def main():
    build, out = sys.argv[1], pathlib.Path(sys.argv[2])
    values = dict(argument.split("=", 1) for argument in sys.argv[3:])
    tool_help, daemon_help = said(f"{build}/cairn", "help"), said(f"{build}/cairnd", "--help")
    protocol = (ROOT / "proto/PROTOCOL.md").read_text()
    values |= {
        "help": literal(tool_help[tool_help.index("Options,"):]),
        "verbs": verbs(build),
        "options": literal(daemon_help[:daemon_help.index("Signals:")]),
        "settings": literal(daemon_help[:daemon_help.index("Instead of serving:")]),
        "ends": literal(daemon_help[daemon_help.index("Signals:"):]),
        "conf": literal((ROOT / "scripts/cairnd.conf").read_text()),
        "header": header(),
        "protocol": "# DESCRIPTION\n\n" + from_markdown(protocol.split("\n", 1)[1]),
    }
    options = set(re.findall(r"--[a-z][a-z-]+", values["verbs"] + tool_help + daemon_help)) | {"--cflags", "--libs", "--now", "--SETTING"}
    out.mkdir(parents=True, exist_ok=True)
    failed = False
    for page, source in PAGES.items():
        text = (ROOT / source).read_text()
        unknown = {f"--{name}" for name in re.findall(r"--([A-Za-z][A-Za-z-]*)", text)} - options - {"--name"}
        missing = set(re.findall(r"@([a-zA-Z]+)@", text)) - values.keys()
        for what in sorted(unknown | missing):
            print(f"{source}: {what} is in no program's help, and nothing stands for it", file=sys.stderr)
            failed = True
        text = re.sub(r"@([a-zA-Z]+)@", lambda match: values.get(match[1], ""), text)
        made = subprocess.run(["scdoc"], input=text, capture_output=True, text=True)
        if made.returncode != 0:
            print(f"{source}: {made.stderr.strip()}", file=sys.stderr)
            failed = True
        (out / page).write_text(made.stdout)
    sys.exit(failed)


main()
