"""Which cipher comes first is decided by the processor, or by the config; and real ssh takes it."""

import subprocess

import pytest

from borgpull.ssh import argv

EPYC = "processor\t: 0\nmodel name\t: AMD EPYC\nflags\t\t: fpu vme sse4_2 x2apic aes avx\nbugs\t\t: spectre_v1\n"
RASPBERRY_PI_4 = "processor\t: 0\nFeatures\t: fp asimd evtstrm crc32 cpuid\nCPU implementer\t: 0x41\n"
RASPBERRY_PI_5 = "processor\t: 0\nFeatures\t: fp asimd evtstrm aes pmull sha1 sha2 crc32\n"
S390 = "vendor_id       : IBM/S390\nfeatures\t: esan3 zarch stfle msa\n"


@pytest.mark.parametrize(
    ("cpuinfo", "aes", "first"),
    [
        (EPYC, True, "aes128-gcm@openssh.com"),
        (EPYC.replace(" aes ", " vaes "), False, "chacha20-poly1305@openssh.com"),
        (RASPBERRY_PI_4, False, "chacha20-poly1305@openssh.com"),
        (RASPBERRY_PI_5, True, "aes128-gcm@openssh.com"),
        (S390, None, "aes128-gcm@openssh.com"),
        ("", None, "aes128-gcm@openssh.com"),
    ],
)
def test_the_cipher_that_costs_this_machine_least_comes_first(cpuinfo, aes, first, monkeypatch):
    monkeypatch.setattr(argv, "read_cpuinfo", lambda: cpuinfo)
    argv.preferred_ciphers.cache_clear()
    try:
        preferred = argv.preferred_ciphers()
    finally:
        argv.preferred_ciphers.cache_clear()
    assert argv.has_aes(cpuinfo) is aes
    said = subprocess.run(
        ["ssh", "-F", "none", "-G", "-o", f"Ciphers={preferred}", "x"], capture_output=True, check=True
    )
    assert f"\nciphers {first}," in said.stdout.decode()
