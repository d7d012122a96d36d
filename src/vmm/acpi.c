/* SPDX-License-Identifier: MIT */
/* ACPI 6.5: chapter 5 for the tables, 6.4 for resources, 20 for AML. */
#include "acpi.h"

#include "pm.h"
#include "rtc.h"
#include "uart.h"

#include <stdbool.h>
#include <string.h>

/* Bytes into a buffer. What does not fit is left out, and seen at the end. */
struct writer {
	unsigned char *at;
	size_t len, cap;
	bool full;
};

static void put_bytes(struct writer *out, const void *bytes, size_t len)
{
	if (out->full || len > out->cap - out->len) {
		out->full = true;
		return;
	}
	memcpy(out->at + out->len, bytes, len);
	out->len += len;
}

static void put(struct writer *out, unsigned size, uint64_t value)
{
	unsigned char bytes[8];

	for (unsigned i = 0; i < size; i++)
		bytes[i] = (unsigned char)(value >> 8 * i);
	put_bytes(out, bytes, size);
}

static void put_zeros(struct writer *out, size_t len)
{
	while (len--)
		put(out, 1, 0);
}

static void align(struct writer *out, size_t to)
{
	while (out->len % to && !out->full)
		put(out, 1, 0);
}

static uint8_t sum(const unsigned char *at, size_t len)
{
	uint8_t total = 0;

	while (len--)
		total = (uint8_t)(total + *at++);
	return total;
}

/* ---- tables: their head, and at their end what depends on all of it ---- */

enum { HEAD_LEN = 36, HEAD_LENGTH = 4, HEAD_SUM = 9 };

static size_t begin_table(struct writer *out, const char *signature, unsigned revision)
{
	size_t start;

	align(out, 16);
	start = out->len;
	put_bytes(out, signature, 4);
	put(out, 4, 0); /* length */
	put(out, 1, revision);
	put(out, 1, 0); /* sum */
	put_bytes(out, "GABI  GABI-VMM", 14);
	put(out, 4, 1);
	put_bytes(out, "GABI", 4);
	put(out, 4, 1);
	return start;
}

static void end_table(struct writer *out, size_t start)
{
	unsigned char *head = out->at + start;
	size_t len = out->len - start;

	if (out->full)
		return;
	for (unsigned i = 0; i < 4; i++)
		head[HEAD_LENGTH + i] = (unsigned char)(len >> 8 * i);
	head[HEAD_SUM] = (unsigned char)-sum(head, len);
}

/* ---- AML ---- */

enum {
	AML_ZERO = 0x00, AML_NAME = 0x08, AML_BYTE = 0x0a, AML_DWORD = 0x0c, AML_STRING = 0x0d, AML_SCOPE = 0x10,
	AML_BUFFER = 0x11, AML_PACKAGE = 0x12, AML_EXTENDED = 0x5b, AML_DEVICE = 0x82,
};

/* A length of two bytes, for what is shorter than 4096; it counts itself. */
static size_t begin_package(struct writer *out)
{
	put(out, 2, 0);
	return out->len - (out->full ? 0 : 2);
}

static void end_package(struct writer *out, size_t start)
{
	size_t len = out->len - start;

	if (out->full || len > 0xfff) {
		out->full = true;
		return;
	}
	out->at[start] = (unsigned char)(0x40 | (len & 15));
	out->at[start + 1] = (unsigned char)(len >> 4);
}

static void put_name(struct writer *out, const char *name)
{
	put(out, 1, AML_NAME);
	put_bytes(out, name, 4);
}

static size_t begin_device(struct writer *out, const char name[4])
{
	size_t start;

	put(out, 1, AML_EXTENDED);
	put(out, 1, AML_DEVICE);
	start = begin_package(out);
	put_bytes(out, name, 4);
	return start;
}

/* "PNP0501": three letters of five bits, four digits; big-endian. */
static void put_pnp_id(struct writer *out, unsigned number)
{
	uint32_t letters = ('P' - 64) << 10 | ('N' - 64) << 5 | ('P' - 64);

	put_name(out, "_HID");
	put(out, 1, AML_DWORD);
	put(out, 1, letters >> 8);
	put(out, 1, letters & 0xff);
	put(out, 1, number >> 8);
	put(out, 1, number & 0xff);
}

static void put_uid(struct writer *out, unsigned uid)
{
	put_name(out, "_UID");
	put(out, 1, AML_BYTE);
	put(out, 1, uid);
}

/* ---- resources ---- */

static void put_resources(struct writer *out, const unsigned char *resources, size_t len)
{
	size_t start;

	put_name(out, "_CRS");
	put(out, 1, AML_BUFFER);
	start = begin_package(out);
	put(out, 1, AML_BYTE);
	put(out, 1, len);
	put_bytes(out, resources, len);
	end_package(out, start);
}

static void put_end_tag(struct writer *out)
{
	put(out, 2, 0x0079);
}

/* Ports, and an interrupt of a PC. */
static void put_isa_device(struct writer *out, const char name[4], unsigned pnp, unsigned port, unsigned len, unsigned line)
{
	unsigned char bytes[32];
	struct writer resources = { .at = bytes, .cap = sizeof(bytes) };
	size_t device = begin_device(out, name);

	put(&resources, 1, 0x47); /* I/O ports */
	put(&resources, 1, 1);    /* all 16 bits are decoded */
	put(&resources, 2, port);
	put(&resources, 2, port);
	put(&resources, 1, 1);
	put(&resources, 1, len);
	put(&resources, 1, 0x22); /* IRQ */
	put(&resources, 2, 1u << line);
	put_end_tag(&resources);
	put_pnp_id(out, pnp);
	put_resources(out, bytes, resources.len);
	end_package(out, device);
}

static void put_virtio(struct writer *out, const struct vmm_acpi_virtio *virtio, unsigned index)
{
	const char name[4] = { 'V', 'I', 'R', (char)('A' + index) };
	unsigned char bytes[32];
	struct writer resources = { .at = bytes, .cap = sizeof(bytes) };
	size_t device = begin_device(out, name);

	put(&resources, 1, 0x86); /* memory, 32 bits, fixed */
	put(&resources, 2, 9);
	put(&resources, 1, 1);    /* to read and write */
	put(&resources, 4, virtio->gpa);
	put(&resources, 4, virtio->len);
	put(&resources, 1, 0x89); /* extended interrupt */
	put(&resources, 2, 6);
	put(&resources, 1, 1);    /* consumed; level, active high, exclusive */
	put(&resources, 1, 1);
	put(&resources, 4, virtio->line);
	put_end_tag(&resources);
	put_name(out, "_HID");
	put(out, 1, AML_STRING);
	put_bytes(out, "LNRO0005", 9); /* virtio-mmio, as Linux and QEMU call it */
	put_uid(out, index);
	put_resources(out, bytes, resources.len);
	end_package(out, device);
}

static void put_s5(struct writer *out)
{
	size_t start;

	put_name(out, "_S5_");
	put(out, 1, AML_PACKAGE);
	start = begin_package(out);
	put(out, 1, 4);
	put(out, 1, AML_BYTE);
	put(out, 1, VMM_PM_SLEEP_OFF);
	put(out, 1, AML_BYTE);
	put(out, 1, VMM_PM_SLEEP_OFF);
	put(out, 1, AML_ZERO);
	put(out, 1, AML_ZERO);
	end_package(out, start);
}

static size_t put_dsdt(const struct vmm_acpi *acpi, struct writer *out)
{
	size_t table = begin_table(out, "DSDT", 2), scope;

	put_s5(out);
	put(out, 1, AML_SCOPE);
	scope = begin_package(out);
	put_bytes(out, "\\_SB_", 5);
	put_isa_device(out, "COM1", 0x0501, VMM_UART_PORT, VMM_UART_LEN, VMM_UART_LINE);
	put_isa_device(out, "RTC0", 0x0b00, VMM_RTC_PORT, VMM_RTC_LEN, VMM_RTC_LINE);
	for (unsigned i = 0; i < acpi->virtios; i++)
		put_virtio(out, &acpi->virtio[i], i);
	end_package(out, scope);
	end_table(out, table);
	return table;
}

/* ---- FACS, FADT, MADT ---- */

static size_t put_facs(struct writer *out)
{
	size_t start;

	align(out, 64);
	start = out->len;
	put_bytes(out, "FACS", 4);
	put(out, 4, 64);
	put_zeros(out, 24);
	put(out, 1, 2); /* version */
	put_zeros(out, 31);
	return start;
}

enum {
	FADT_LEN = 276,
	FADT_FLAGS = 1 << 0 | 1 << 2 | 1 << 4 | 1 << 5 | 1 << 6 | 1 << 8 | 1 << 10,
	/* WBINVD works; C1; no fixed buttons; no RTC wake; a timer of 32 bits; a reset register */
	BOOT_ARCH = 1 << 0 | 1 << 2, /* devices of a PC, but no keyboard controller; no VGA */
};

static size_t put_fadt(const struct vmm_acpi *acpi, struct writer *out, size_t facs, size_t dsdt)
{
	size_t start = begin_table(out, "FACP", 6);

	put(out, 4, acpi->gpa + facs);
	put(out, 4, acpi->gpa + dsdt);
	put(out, 2, 0);
	put(out, 2, VMM_PM_LINE);
	put_zeros(out, 8); /* no SMI command: always in ACPI mode */
	put(out, 4, VMM_PM_PORT + VMM_PM_EVENT);
	put(out, 4, 0);
	put(out, 4, VMM_PM_PORT + VMM_PM_CONTROL);
	put_zeros(out, 8);
	put(out, 4, VMM_PM_PORT + VMM_PM_TIMER);
	put_zeros(out, 8);
	put(out, 4, 0x04000204); /* lengths: event 4, control 2, timer 4 */
	put_zeros(out, 4);
	put(out, 2, 0xffff);     /* latencies: no C2, no C3 */
	put(out, 2, 0xffff);
	put_zeros(out, 8);
	put(out, 1, 0x32);       /* the century in the CMOS memory */
	put(out, 2, BOOT_ARCH);
	put(out, 1, 0);
	put(out, 4, FADT_FLAGS);
	put(out, 4, 0x01000801); /* reset register: a port, 8 bits, by bytes */
	put(out, 8, VMM_RESET_PORT);
	put(out, 1, VMM_RESET_VALUE);
	put_zeros(out, 2);
	put(out, 1, 5);          /* minor version */
	put(out, 8, acpi->gpa + facs);
	put(out, 8, acpi->gpa + dsdt);
	put_zeros(out, FADT_LEN - 148);
	end_table(out, start);
	return start;
}

static size_t put_madt(const struct vmm_acpi *acpi, struct writer *out)
{
	size_t start = begin_table(out, "APIC", 5);

	put(out, 4, 0xfee00000);
	put(out, 4, 1);       /* there are 8259s too */
	for (unsigned i = 0; i < acpi->cpus; i++) {
		put(out, 2, 0x0800); /* local APIC */
		put(out, 1, i);
		put(out, 1, i);
		put(out, 4, 1);
	}
	put(out, 2, 0x0c01);  /* I/O APIC */
	put(out, 2, 0);
	put(out, 4, 0xfec00000);
	put(out, 4, 0);
	put(out, 2, 0x0a02);  /* the line of ACPI: level, active high */
	put(out, 1, 0);
	put(out, 1, VMM_PM_LINE);
	put(out, 4, VMM_PM_LINE);
	put(out, 2, 0x000d);
	end_table(out, start);
	return start;
}

/* ---- all of it ---- */

enum { RSDP_LEN = 36, RSDP_OLD_LEN = 20, RSDP_SUM = 8, RSDP_XSDT = 24, RSDP_SUM_ALL = 32 };

static void put_rsdp(unsigned char *at, uint64_t xsdt)
{
	struct writer out = { .at = at, .cap = RSDP_LEN };

	put_bytes(&out, "RSD PTR \0GABI  \2\0\0\0\0", RSDP_OLD_LEN);
	put(&out, 4, RSDP_LEN);
	put(&out, 8, xsdt);
	put_zeros(&out, 4);
	at[RSDP_SUM] = (unsigned char)-sum(at, RSDP_OLD_LEN);
	at[RSDP_SUM_ALL] = (unsigned char)-sum(at, RSDP_LEN);
}

size_t vmm_acpi_write(const struct vmm_acpi *acpi, unsigned char *at, size_t cap)
{
	struct writer out = { .at = at, .cap = cap };
	size_t facs, dsdt, fadt, madt, xsdt;

	put_zeros(&out, RSDP_LEN);
	facs = put_facs(&out);
	dsdt = put_dsdt(acpi, &out);
	fadt = put_fadt(acpi, &out, facs, dsdt);
	madt = put_madt(acpi, &out);
	xsdt = begin_table(&out, "XSDT", 1);
	put(&out, 8, acpi->gpa + fadt);
	put(&out, 8, acpi->gpa + madt);
	end_table(&out, xsdt);
	if (out.full)
		return 0;
	put_rsdp(at, acpi->gpa + xsdt);
	return out.len;
}
