#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""acpi.py PRINT_ACPI: the monitor's ACPI tables, walked from their root and taken apart by ACPICA's own tools, which Linux's
interpreter is made of. The AML must compile again after it was taken apart."""
import os
import re
import shutil
import struct
import subprocess
import sys
import tempfile

GPA = 0xE0000
bad = 0


def check(name, seen, wanted):
    global bad
    if seen != wanted:
        bad += 1
        print(f"{name}: {seen!r}, and {wanted!r} is right")


def table(memory, gpa):
    offset = gpa - GPA
    length = struct.unpack_from("<I", memory, offset + 4)[0]
    return memory[offset:offset + length]


def walk(memory):
    """The tables by signature, as an operating system finds them."""
    check("RSDP", memory[:8], b"RSD PTR ")
    check("sum of the RSDP's first part", sum(memory[:20]) & 255, 0)
    check("sum of the RSDP", sum(memory[:36]) & 255, 0)
    xsdt = table(memory, struct.unpack_from("<Q", memory, 24)[0])
    found = {"XSDT": xsdt}
    for at in range(36, len(xsdt), 8):
        each = table(memory, struct.unpack_from("<Q", xsdt, at)[0])
        found[each[:4].decode()] = each
    found["FACS"] = table(memory, struct.unpack_from("<Q", found["FACP"], 132)[0])
    found["DSDT"] = table(memory, struct.unpack_from("<Q", found["FACP"], 140)[0])
    for name, each in found.items():
        if name != "FACS":
            check(f"sum of the {name}", sum(each) & 255, 0)
    return found


def disassemble(directory, name, content):
    path = os.path.join(directory, name.lower())
    with open(path + ".dat", "wb") as file:
        file.write(content)
    run = subprocess.run(["iasl", "-d", path + ".dat"], capture_output=True, text=True)
    said = run.stdout + run.stderr
    check(f"iasl takes the {name}", run.returncode, 0)
    check(f"iasl on the {name}", re.findall(r"(?i).*(?:error|warning|invalid|incorrect).*", said), [])
    with open(path + ".dsl") as file:
        return file.read()


def fields(text):
    return {key.strip(): value.strip() for key, value in re.findall(r"(?:\]|^)\s*([^:\n\]]+?) : (.*)", text, re.M)}


def main():
    if not shutil.which("iasl"):
        print("iasl is not installed (Debian: acpica-tools)")
        return 77
    with tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, "tables")
        subprocess.run([sys.argv[1], path, "5"], check=True)
        with open(path, "rb") as file:
            found = walk(file.read())
        check("tables", sorted(found), ["APIC", "DSDT", "FACP", "FACS", "XSDT"])
        text = {name: disassemble(directory, name, content) for name, content in found.items()}
        run = subprocess.run(["iasl", os.path.join(directory, "dsdt.dsl")], capture_output=True, text=True)
        check("the AML compiles again", re.findall(r"(\d+) Errors, (\d+) Warnings", run.stdout), [("0", "0")])
    fadt = fields(text["FACP"])
    for name, wanted in {
        "PM1A Event Block Address": "00000600", "PM1A Control Block Address": "00000604", "PM Timer Block Address": "00000608",
        "PM1 Event Block Length": "04", "PM1 Control Block Length": "02", "PM Timer Block Length": "04", "SCI Interrupt": "0009",
        "SMI Command Port": "00000000", "RTC Century Index": "32", "Legacy Devices Supported (V2)": "1",
        "8042 Present on ports 60/64 (V2)": "0", "32-bit PM Timer (V1)": "1", "Reset Register Supported (V2)": "1",
        "Value to cause reset": "06", "Hardware Reduced (V5)": "0",
    }.items():
        check(f"FADT: {name}", fadt.get(name), wanted)
    check("FADT: the reset register's port", "Address : 0000000000000CF9" in text["FACP"], True)
    check("MADT: local APICs", text["APIC"].count("[Processor Local APIC]"), 5)
    check("MADT: APIC ids", re.findall(r"Local Apic ID : (..)", text["APIC"]), ["00", "01", "02", "03", "04"])
    check("MADT: I/O APIC", re.findall(r"Address : (FEC.....)", text["APIC"]), ["FEC00000"])
    check("DSDT: devices", re.findall(r'_HID, (?:EisaId \()?"(\w+)"', text["DSDT"]), ["PNP0501", "PNP0B00"] + 3 * ["LNRO0005"])
    check("DSDT: where virtio devices are", re.findall(r"0x(D000.000),", text["DSDT"]), ["D0000000", "D0001000", "D0002000"])
    check("DSDT: their interrupts", re.findall(r"^\s*0x000000(1[0-9a-f]),$", text["DSDT"], re.M), ["10", "11", "12"])
    check("DSDT: the serial port's interrupt", "IRQNoFlags ()\n                    {4}" in text["DSDT"], True)
    check("DSDT: S5", bool(re.search(r"Name \(_S5, Package \(0x04\)", text["DSDT"])), True)
    print(f"{len(found)} tables, {bad} differences")
    return 1 if bad else 0


sys.exit(main())
