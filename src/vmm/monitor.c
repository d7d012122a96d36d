/* SPDX-License-Identifier: MIT */
/* A guest, from its image to its end. The thread in vmm_run waits for input, timers and the end. */
#include "monitor_own.h"

#include "base/base.h"
#include "topology.h"

#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

/* ---- the board ---- */

void vmm_wake(struct vmm_monitor *monitor)
{
	uint64_t one = 1;

	if (write(monitor->wake, &one, sizeof(one)) < 0)
		return; /* it is awake already */
}

void vmm_end_with(struct vmm_monitor *monitor, enum vmm_end how, unsigned value, const char *text)
{
	struct gabi_out out;

	if (monitor->result.end)
		return;
	out = gabi_out_to(monitor->result.text, sizeof(monitor->result.text));
	gabi_out_text(&out, text);
	monitor->result.value = value;
	monitor->result.end = how;
	atomic_store(&monitor->ending, true);
	vmm_wake(monitor);
}

static void board_end(void *ctx, unsigned how, unsigned value)
{
	static const char *const texts[] = {
		[VMM_END_OFF] = "the guest switched itself off", [VMM_END_RESET] = "the guest wanted a reset",
		[VMM_END_EXIT] = "the guest wrote to the exit port",
	};

	vmm_end_with(ctx, how, value, texts[how]);
}

/* Devices say at each access how their line is. KVM is told of changes: nobody else moves them, and all are low where a guest begins or is loaded. */
static void board_line(void *ctx, unsigned line, bool level)
{
	struct vmm_monitor *monitor = ctx;
	uint32_t bit = line < 32 ? (uint32_t)1 << line : 0, lines = level ? monitor->lines | bit : monitor->lines & ~bit;

	if (bit && lines == monitor->lines)
		return;
	if (!gabi_kvm_machine_line(monitor->machine, line, level))
		monitor->lines = lines;
}

static void *board_ram(void *ctx, uint64_t gpa, uint64_t len, bool writes)
{
	const struct vmm_monitor *monitor = ctx;
	void *ram = gabi_kvm_machine_ram(monitor->machine, gpa, len);

	if (!ram || (monitor->hyperv && !vmm_hyperv_may(monitor->hyperv, gpa, len, writes)))
		return NULL;
	if (writes) /* soon: the caller holds the lock until it has */
		gabi_kvm_machine_wrote(monitor->machine, gpa, len);
	return ram;
}

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static uint64_t board_now_ns(void *ctx)
{
	const struct vmm_monitor *monitor = ctx;

	return clock_ns(CLOCK_MONOTONIC) - monitor->start_ns;
}

void vmm_set_clock(struct vmm_monitor *monitor, uint64_t now_ns)
{
	monitor->start_ns = clock_ns(CLOCK_MONOTONIC) - now_ns;
	monitor->pc.rtc.base_s = (clock_ns(CLOCK_REALTIME) - now_ns) / 1000000000;
}

static void fill_random(void *ctx, void *to, size_t len)
{
	(void)ctx;
	if (getrandom(to, len, 0) != (ssize_t)len)
		memset(to, 0, len); /* not before Linux has gathered any */
}

/* ---- Hyper-V's engine ---- */

static void hyperv_wake(void *ctx)
{
	vmm_wake(ctx);
}

static void hyperv_end(void *ctx, bool crash)
{
	struct vmm_monitor *monitor = ctx;

	pthread_mutex_lock(&monitor->lock);
	if (crash)
		vmm_end_with(monitor, VMM_END_CRASH, 0, "the guest reported a crash");
	else
		board_end(monitor, VMM_END_RESET, 0);
	pthread_mutex_unlock(&monitor->lock);
}

static void hyperv_fail(void *ctx, const char *text)
{
	struct vmm_monitor *monitor = ctx;

	pthread_mutex_lock(&monitor->lock);
	vmm_end_with(monitor, VMM_END_STUCK, 0, text);
	pthread_mutex_unlock(&monitor->lock);
}

/* Devices are inside guest memory only under the lock, and ask for it anew each time. */
static void wait_for_devices(void *ctx)
{
	struct vmm_monitor *monitor = ctx;

	pthread_mutex_lock(&monitor->lock);
	pthread_mutex_unlock(&monitor->lock);
}

static void hyperv_switched(void *ctx, unsigned vp)
{
	struct vmm_monitor *monitor = ctx;

	vmm_count(&monitor->vp[vp].counts, VMM_COUNT_SWITCH, 1);
}

static void hyperv_protected(void *ctx, unsigned vp, unsigned runs)
{
	struct vmm_monitor *monitor = ctx;

	vmm_count(&monitor->vp[vp].counts, VMM_COUNT_PROTECTION, runs);
}

static unsigned tell_rights(void *ctx, unsigned vtl, uint64_t gpa)
{
	const struct vmm_monitor *monitor = ctx;

	return vmm_hyperv_rights(monitor->hyperv, vtl, gpa);
}

/* How long the caller's thread may sleep; NULL: for ever. */
static const struct timespec *until_next(struct vmm_monitor *monitor, struct timespec *time)
{
	uint64_t ns = monitor->hyperv ? vmm_hyperv_next(monitor->hyperv) : UINT64_MAX;

	*time = (struct timespec){ .tv_sec = (time_t)(ns / 1000000000 % 1000000), .tv_nsec = (long)(ns % 1000000000) };
	return ns == UINT64_MAX ? NULL : time;
}

static bool send_output(struct vmm_monitor *monitor)
{
	bool more;

	pthread_mutex_lock(&monitor->lock);
	more = vmm_output_send(monitor);
	pthread_mutex_unlock(&monitor->lock);
	return more;
}

/* Until the end. While the monitor is held there is nothing to do but to wait, and to hand on what the guest has said. */
static void watch(struct vmm_monitor *monitor)
{
	bool open = monitor->options.in >= 0;
	struct timespec time;
	uint64_t count;

	while (!atomic_load(&monitor->ending)) {
		struct pollfd fds[] = { { monitor->wake, POLLIN, 0 }, { -1, POLLIN, 0 }, { send_output(monitor) ? monitor->output.file : -1, POLLOUT, 0 } };
		const struct timespec *next = NULL;

		if (vmm_gate_enter(monitor)) {
			next = until_next(monitor, &time);
			fds[1].fd = open && vmm_input_wanted(monitor) ? monitor->options.in : -1;
			vmm_gate_leave(monitor);
		}
		if (ppoll(fds, 3, next, NULL) < 0)
			continue;
		if (fds[0].revents && read(monitor->wake, &count, sizeof(count)) < 0)
			continue;
		if (fds[1].revents && vmm_gate_enter(monitor)) {
			open = vmm_input_take(monitor);
			vmm_gate_leave(monitor);
		}
	}
}

/* ---- from the image to the end ---- */

static void ignore(int signal)
{
	(void)signal;
}

static void tell_cpuid(void *ctx, unsigned vp, uint32_t leaf, uint32_t sub, uint32_t regs[4])
{
	const struct vmm_monitor *monitor = ctx;

	vmm_topology(monitor->options.cpus, vp, leaf, sub, regs);
}

static void begin_thread(void *ctx)
{
	struct vmm_monitor *monitor = ctx;
	struct gabi_diag diag = { 0 };

	if (vmm_sandbox_enter(monitor->sandbox, VMM_THREAD_VP, &diag))
		vmm_quit(monitor, diag.text);
}

static int make_hyperv(struct vmm_monitor *monitor, unsigned *ret_overlays, struct gabi_diag *diag)
{
	const struct vmm_hyperv_options hyperv = {
		.contract = monitor->options.terms->contract, .cpus = monitor->options.cpus, .memory = monitor->options.memory,
		.vtls = monitor->options.vtls, .shim = monitor->options.shim, .wake = hyperv_wake, .end = hyperv_end, .fail = hyperv_fail, .wait_for_devices = wait_for_devices,
		.switched = hyperv_switched, .protected = hyperv_protected,
		.ctx = monitor,
	};

	return monitor->options.hyperv ? vmm_hyperv_new(&hyperv, &monitor->hyperv, ret_overlays, diag) : 0;
}

static int make_machine(struct vmm_monitor *monitor, struct gabi_diag *diag)
{
	const struct vmm_options *options = &monitor->options;
	struct gabi_kvm_machine_options machine = {
		.size = sizeof(machine), .vps = options->cpus, .memory = options->memory, .kick = SIGRTMIN,
		.unverified = options->forced, .hyperv = options->hyperv, .cpuid = tell_cpuid, .ctx = monitor,
		.thread = begin_thread, .shim = options->shim,
	};
	const struct sigaction action = { .sa_handler = ignore };
	int err;

	if (options->memory < VMM_MEMORY_LEAST || options->memory % 4096)
		return gabi_fail(diag, GABI_ERR_ARG, "a guest has at least 4 MiB of memory, in whole pages", (char *)NULL);
	sigaction(SIGRTMIN, &action, NULL);
	sigaction(SIGPIPE, &action, NULL); /* a reader that leaves is an error of that write */
	err = make_hyperv(monitor, &machine.overlays, diag);
	if (!err && monitor->hyperv) {
		machine.vtls = vmm_hyperv_vtls(monitor->hyperv);
		machine.rights = tell_rights;
	}
	if (!err)
		err = gabi_kvm_machine_new(options->terms->contract, options->terms->plan, &machine, NULL, &monitor->machine, diag);
	return err || !monitor->hyperv ? err : vmm_hyperv_start(monitor->hyperv, monitor->machine, diag);
}

static void make_devices(struct vmm_monitor *monitor)
{
	const struct vmm_pc_options pc = {
		.memory = monitor->options.memory, .cpus = monitor->options.cpus, .base_s = clock_ns(CLOCK_REALTIME) / 1000000000,
		.disk = monitor->options.disk ? &monitor->disk : NULL, .serial_out = vmm_serial_out, .console_out = vmm_console_out,
		.random = fill_random, .ctx = monitor,
	};

	monitor->board = (struct vmm_board){ board_line, board_ram, board_now_ns, board_end, monitor };
	monitor->start_ns = clock_ns(CLOCK_MONOTONIC);
	vmm_pc_init(&monitor->pc, &monitor->board, &pc);
}

static int load(struct vmm_monitor *monitor, struct gabi_diag *diag)
{
	const struct vmm_options *options = &monitor->options;
	const struct vmm_load load = {
		.image = options->image, .initrd = options->initrd, .append = options->append, .memory = options->memory,
		.rsdp = VMM_ACPI_GPA, .board = &monitor->board,
	};
	struct gabi_kvm_registers registers = { 0 };
	struct vmm_start start;
	int err = vmm_load(&load, &start, diag);

	if (err)
		return err;
	vmm_pc_acpi(&monitor->pc, options->cpus, gabi_kvm_machine_ram(monitor->machine, VMM_ACPI_GPA, VMM_ACPI_LEN), VMM_ACPI_LEN);
	registers.rax = start.rax;
	registers.rbx = start.rbx;
	registers.rsi = start.rsi;
	return gabi_kvm_vp_start(monitor->machine, 0, 0, &start.context, &registers, diag);
}

static int make_all(struct vmm_monitor *monitor, struct gabi_diag *diag)
{
	int err = monitor->options.confined ? vmm_sandbox_new(&monitor->sandbox, diag) : 0;

	if (!err)
		err = vmm_output_open(monitor, diag);
	if (!err)
		err = vmm_disk_open(&monitor->disk, monitor->options.disk, diag);
	if (!err && !monitor->options.incoming) /* one that comes has it until it is given away there */
		err = vmm_disk_lock(&monitor->disk, diag);
	if (!err)
		err = make_machine(monitor, diag);
	if (err)
		return err;
	make_devices(monitor);
	return monitor->options.image.at ? load(monitor, diag) : 0;
}

int vmm_new(const struct vmm_options *options, struct vmm_monitor **ret_monitor, struct gabi_diag *diag)
{
	struct vmm_monitor *monitor = calloc(1, sizeof(*monitor));
	struct vmm_vp *vp = calloc(options->cpus, sizeof(*vp));
	int err;

	if (!monitor || !vp) {
		free(monitor);
		free(vp);
		return gabi_fail(diag, GABI_ERR_NOMEM, "out of memory", (char *)NULL);
	}
	monitor->options = *options;
	monitor->vp = vp;
	monitor->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	pthread_mutex_init(&monitor->lock, NULL);
	pthread_mutex_init(&monitor->gate.lock, NULL);
	pthread_cond_init(&monitor->gate.changed, NULL);
	err = make_all(monitor, diag);
	if (err)
		vmm_free(monitor);
	else
		*ret_monitor = monitor;
	return err;
}

int vmm_run(struct vmm_monitor *monitor, struct vmm_result *ret_result, struct gabi_diag *diag)
{
	struct termios cooked, raw;
	bool is_terminal = monitor->options.in >= 0 && !tcgetattr(monitor->options.in, &cooked);
	int err = vmm_vps_start(monitor, diag);

	if (!err)
		err = vmm_sandbox_enter(monitor->sandbox, VMM_THREAD_MAIN, diag); /* the last of them: it makes threads no more */
	if (is_terminal) {
		raw = cooked;
		cfmakeraw(&raw);
		raw.c_oflag |= OPOST;
		tcsetattr(monitor->options.in, TCSADRAIN, &raw);
	}
	if (!err)
		watch(monitor);
	vmm_vps_stop(monitor);
	vmm_output_finish(monitor);
	if (is_terminal)
		tcsetattr(monitor->options.in, TCSADRAIN, &cooked);
	pthread_mutex_lock(&monitor->lock); /* somebody may want to end it once more */
	if (!err)
		*ret_result = monitor->result;
	pthread_mutex_unlock(&monitor->lock);
	return err;
}

void vmm_quit(struct vmm_monitor *monitor, const char *text)
{
	pthread_mutex_lock(&monitor->lock);
	vmm_end_with(monitor, VMM_END_QUIT, 0, text);
	pthread_mutex_unlock(&monitor->lock);
}

struct gabi_kvm_machine *vmm_machine(const struct vmm_monitor *monitor)
{
	return monitor->machine;
}

void vmm_free(struct vmm_monitor *monitor)
{
	if (!monitor)
		return;
	vmm_sandbox_free(monitor->sandbox);
	vmm_hyperv_free(monitor->hyperv);
	gabi_kvm_machine_free(monitor->machine);
	vmm_disk_close(&monitor->disk);
	vmm_output_close(monitor);
	close(monitor->wake);
	pthread_cond_destroy(&monitor->gate.changed);
	pthread_mutex_destroy(&monitor->gate.lock);
	pthread_mutex_destroy(&monitor->lock);
	free(monitor->vp);
	free(monitor);
}
