/* SPDX-License-Identifier: MIT */
/* The ACPI tables of the machine. */
#ifndef GABI_VMM_ACPI_H
#define GABI_VMM_ACPI_H

#include <stddef.h>
#include <stdint.h>

/* A virtio device of the memory-mapped kind. */
struct vmm_acpi_virtio {
	uint32_t gpa, len, line;
};

struct vmm_acpi {
	uint32_t gpa; /* where the tables will lie: below 4 GiB, on a page */
	unsigned cpus;
	const struct vmm_acpi_virtio *virtio;
	unsigned virtios;
};

/* Writes RSDP, XSDT, FADT, FACS, MADT and DSDT, the RSDP first, and returns their length; 0 if they are longer than cap. */
size_t vmm_acpi_write(const struct vmm_acpi *acpi, unsigned char *out, size_t cap);

#endif
