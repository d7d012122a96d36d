/* SPDX-License-Identifier: MIT */
#include "pc.h"

#include "acpi.h"
#include "boot.h"

#include <string.h>

enum { PAGE = 4096 };

static uint64_t virtio_gpa(unsigned index)
{
	return VMM_PC_VIRTIO_GPA + (uint64_t)index * PAGE;
}

static void add_virtio(struct vmm_pc *pc, const struct vmm_board *board, const struct vmm_virtio_kind *kind, void *device)
{
	unsigned index = pc->virtios++;

	vmm_virtio_init(&pc->virtio[index], board, kind, device, VMM_PC_VIRTIO_LINE + index);
	vmm_bus_add(&pc->memory, virtio_gpa(index), VMM_VIRTIO_LEN, &vmm_virtio_ops, &pc->virtio[index]);
}

static void add_testdev(struct vmm_pc *pc, const struct vmm_board *board)
{
	vmm_testdev_init(&pc->testdev, board);
	vmm_bus_add(&pc->ports, VMM_EXIT_PORT, VMM_EXIT_LEN, &vmm_exit_ops, &pc->testdev);
	vmm_bus_add(&pc->ports, VMM_ECHO_PORT, VMM_ECHO_LEN, &vmm_echo_ops, &pc->testdev);
	vmm_bus_add(&pc->ports, VMM_LINES_PORT, VMM_LINES_LEN, &vmm_lines_ops, &pc->testdev);
	vmm_bus_add(&pc->memory, VMM_ECHO_GPA, VMM_ECHO_MEMORY, &vmm_echo_memory_ops, &pc->testdev);
}

void vmm_pc_init(struct vmm_pc *pc, const struct vmm_board *board, const struct vmm_pc_options *options)
{
	memset(pc, 0, sizeof(*pc));
	vmm_uart_init(&pc->uart, board, options->serial_out, options->ctx);
	vmm_pm_init(&pc->pm, board);
	vmm_rtc_init(&pc->rtc, board, options->base_s);
	vmm_fw_cfg_init(&pc->fw_cfg, options->memory, options->cpus);
	pc->console = (struct vmm_console){ options->console_out, options->ctx };
	pc->rng = (struct vmm_rng){ options->random, options->ctx };
	vmm_bus_add(&pc->ports, VMM_UART_PORT, VMM_UART_LEN, &vmm_uart_ops, &pc->uart);
	vmm_bus_add(&pc->ports, VMM_RTC_PORT, VMM_RTC_LEN, &vmm_rtc_ops, &pc->rtc);
	vmm_bus_add(&pc->ports, VMM_PM_PORT, VMM_PM_LEN, &vmm_pm_ops, &pc->pm);
	vmm_bus_add(&pc->ports, VMM_RESET_PORT, 1, &vmm_reset_ops, &pc->pm);
	vmm_bus_add(&pc->ports, VMM_FW_CFG_PORT, VMM_FW_CFG_LEN, &vmm_fw_cfg_ops, &pc->fw_cfg);
	add_testdev(pc, board);
	add_virtio(pc, board, &vmm_console_kind, &pc->console);
	add_virtio(pc, board, &vmm_rng_kind, &pc->rng);
	if (!options->disk)
		return;
	pc->disk = *options->disk;
	add_virtio(pc, board, &vmm_disk_kind, &pc->disk);
}

size_t vmm_pc_acpi(const struct vmm_pc *pc, unsigned cpus, unsigned char *out, size_t cap)
{
	struct vmm_acpi_virtio virtio[VMM_PC_VIRTIOS];
	const struct vmm_acpi acpi = { .gpa = VMM_ACPI_GPA, .cpus = cpus, .virtio = virtio, .virtios = pc->virtios };

	for (unsigned i = 0; i < pc->virtios; i++)
		virtio[i] = (struct vmm_acpi_virtio){ (uint32_t)virtio_gpa(i), VMM_VIRTIO_LEN, pc->virtio[i].line };
	return vmm_acpi_write(&acpi, out, cap);
}

void vmm_pc_walk(struct vmm_pc *pc, struct vmm_walk *walk)
{
	vmm_bus_walk(&pc->ports, walk);
	vmm_bus_walk(&pc->memory, walk);
}
