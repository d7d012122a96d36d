/* SPDX-License-Identifier: MIT */
/* Threads: one for each virtual processor, and the caller's, which waits for input and for the end. */
#include "monitor.h"

#include "base/base.h"
#include "disk.h"
#include "hyperv.h"
#include "pc.h"
#include "topology.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

enum { QUIT_KEY = 0x1d /* Ctrl-] */ };

struct monitor {
	const struct vmm_options *options;
	struct gabi_kvm_machine *machine;
	struct vmm_hyperv *hyperv; /* NULL: none */
	struct vmm_board board;
	struct vmm_disk disk;
	uint64_t start_ns;
	int wake; /* an eventfd: the caller's thread has something to look at */

	pthread_mutex_t lock; /* of all below; its holder is inside the devices */
	struct vmm_pc pc;
	bool console_last; /* the guest last wrote to the virtio console, and not to the serial port */
	unsigned char input[256];
	size_t input_len;
	struct vmm_result result;

	atomic_bool ending; /* result.end is set */
	struct vp {
		struct monitor *monitor;
		pthread_t thread;
		unsigned index;
		bool started;
	} *vp;
};

/* ---- the board ---- */

static void wake(struct monitor *monitor)
{
	uint64_t one = 1;

	if (write(monitor->wake, &one, sizeof(one)) < 0)
		return; /* it is awake already */
}

/* The first end is the one that counts. The lock is held. */
static void end_with(struct monitor *monitor, enum vmm_end how, unsigned value, const char *text)
{
	struct gabi_out out = gabi_out_to(monitor->result.text, sizeof(monitor->result.text));

	if (monitor->result.end)
		return;
	gabi_out_text(&out, text);
	monitor->result.value = value;
	monitor->result.end = how;
	atomic_store(&monitor->ending, true);
	wake(monitor);
}

static void board_end(void *ctx, unsigned how, unsigned value)
{
	static const char *const texts[] = {
		[VMM_END_OFF] = "the guest switched itself off", [VMM_END_RESET] = "the guest wanted a reset",
		[VMM_END_EXIT] = "the guest wrote to the exit port",
	};

	end_with(ctx, how, value, texts[how]);
}

static void board_line(void *ctx, unsigned line, bool level)
{
	const struct monitor *monitor = ctx;

	gabi_kvm_machine_line(monitor->machine, line, level);
}

static void *board_ram(void *ctx, uint64_t gpa, uint64_t len, bool writes)
{
	const struct monitor *monitor = ctx;

	(void)writes; /* there is nothing that may be read only */
	return gabi_kvm_machine_ram(monitor->machine, gpa, len);
}

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static uint64_t board_now_ns(void *ctx)
{
	const struct monitor *monitor = ctx;

	return clock_ns(CLOCK_MONOTONIC) - monitor->start_ns;
}

/* ---- the consoles ---- */

static void write_out(const struct monitor *monitor, const void *bytes, size_t len)
{
	const char *at = bytes;

	while (len) {
		ssize_t done = write(monitor->options->out, at, len);

		if (done < 0 && errno != EINTR)
			return; /* nobody listens any more */
		at += done > 0 ? done : 0;
		len -= done > 0 ? (size_t)done : 0;
	}
}

static void serial_out(void *ctx, uint8_t byte)
{
	struct monitor *monitor = ctx;

	monitor->console_last = false;
	write_out(monitor, &byte, 1);
}

static void console_out(void *ctx, const void *bytes, size_t len)
{
	struct monitor *monitor = ctx;

	monitor->console_last = true;
	write_out(monitor, bytes, len);
}

static void fill_random(void *ctx, void *to, size_t len)
{
	(void)ctx;
	if (getrandom(to, len, 0) != (ssize_t)len)
		memset(to, 0, len); /* not before Linux has gathered any */
}

/* Hands input on, as much as the console that the guest last wrote to takes. The lock is held. */
static void feed(struct monitor *monitor)
{
	size_t done = 0;

	if (monitor->console_last)
		done = vmm_console_in(vmm_pc_console(&monitor->pc), monitor->input, monitor->input_len);
	else
		while (done < monitor->input_len && vmm_uart_room(&monitor->pc.uart))
			vmm_uart_in(&monitor->pc.uart, monitor->input[done++]);
	if (!done)
		return;
	memmove(monitor->input, monitor->input + done, monitor->input_len - done);
	monitor->input_len -= done;
	if (!monitor->input_len)
		wake(monitor); /* there is room for more */
}

/* False at the end of the input. */
static bool take_input(struct monitor *monitor)
{
	unsigned char bytes[sizeof(monitor->input)];
	ssize_t len = read(monitor->options->in, bytes, sizeof(bytes));

	if (len <= 0)
		return len < 0 && (errno == EINTR || errno == EAGAIN);
	pthread_mutex_lock(&monitor->lock);
	if (isatty(monitor->options->in) && memchr(bytes, QUIT_KEY, (size_t)len))
		end_with(monitor, VMM_END_QUIT, 0, "the guest was stopped from the terminal");
	memcpy(monitor->input, bytes, (size_t)len);
	monitor->input_len = (size_t)len;
	feed(monitor);
	pthread_mutex_unlock(&monitor->lock);
	return true;
}

static bool wants_input(struct monitor *monitor)
{
	bool wants;

	pthread_mutex_lock(&monitor->lock);
	wants = !monitor->input_len;
	pthread_mutex_unlock(&monitor->lock);
	return wants;
}

/* ---- Hyper-V's engine ---- */

static void hyperv_wake(void *ctx)
{
	wake(ctx);
}

static void hyperv_end(void *ctx, bool crash)
{
	struct monitor *monitor = ctx;

	pthread_mutex_lock(&monitor->lock);
	if (crash)
		end_with(monitor, VMM_END_CRASH, 0, "the guest reported a crash");
	else
		board_end(monitor, VMM_END_RESET, 0);
	pthread_mutex_unlock(&monitor->lock);
}

/* How long the caller's thread may sleep; NULL: for ever. */
static const struct timespec *until_next(struct monitor *monitor, struct timespec *time)
{
	uint64_t ns = monitor->hyperv ? vmm_hyperv_next(monitor->hyperv) : UINT64_MAX;

	*time = (struct timespec){ .tv_sec = (time_t)(ns / 1000000000 % 1000000), .tv_nsec = (long)(ns % 1000000000) };
	return ns == UINT64_MAX ? NULL : time;
}

/* Until the end. */
static void watch(struct monitor *monitor)
{
	bool open = monitor->options->in >= 0;
	struct timespec time;
	uint64_t count;

	while (!atomic_load(&monitor->ending)) {
		struct pollfd fds[] = { { monitor->wake, POLLIN, 0 }, { open && wants_input(monitor) ? monitor->options->in : -1, POLLIN, 0 } };

		if (ppoll(fds, 2, until_next(monitor, &time), NULL) < 0)
			continue;
		if (fds[0].revents && read(monitor->wake, &count, sizeof(count)) < 0)
			continue;
		if (fds[1].revents)
			open = take_input(monitor);
	}
}

/* ---- exits ---- */

static uint64_t get(const unsigned char *from, unsigned size)
{
	uint64_t value = 0;

	memcpy(&value, from, size);
	return value;
}

static void access_bus(const struct vmm_bus *bus, const struct gabi_kvm_exit *exit)
{
	unsigned char *at = exit->data;

	for (uint32_t i = 0; i < exit->count; i++, at += exit->size) {
		if (exit->write) {
			vmm_bus_write(bus, exit->address, exit->size, get(at, exit->size));
		} else {
			uint64_t value = vmm_bus_read(bus, exit->address, exit->size);

			memcpy(at, &value, exit->size);
		}
	}
}

static void crashed(struct vp *vp)
{
	char text[120];

	snprintf(text, sizeof(text), "the guest crashed: a triple fault of processor %u at 0x%llx", vp->index,
		 (unsigned long long)gabi_kvm_vp_registers(vp->monitor->machine, vp->index, 0)->rip);
	end_with(vp->monitor, VMM_END_CRASH, 0, text);
}

static void serve(struct vp *vp, const struct gabi_kvm_exit *exit)
{
	struct monitor *monitor = vp->monitor;

	if (exit->kind == GABI_KVM_EXIT_KICKED || (monitor->hyperv && vmm_hyperv_serve(monitor->hyperv, vp->index, exit)))
		return;
	pthread_mutex_lock(&monitor->lock);
	switch (exit->kind) {
	case GABI_KVM_EXIT_PORT:
		access_bus(&monitor->pc.ports, exit);
		break;
	case GABI_KVM_EXIT_MMIO:
		access_bus(&monitor->pc.memory, exit);
		break;
	case GABI_KVM_EXIT_CRASHED:
		crashed(vp);
		break;
	case GABI_KVM_EXIT_RESET:
		board_end(monitor, VMM_END_RESET, 0);
		break;
	default:
		end_with(monitor, VMM_END_STUCK, 0, exit->text);
	}
	if (monitor->input_len)
		feed(monitor);
	pthread_mutex_unlock(&monitor->lock);
}

static void *run_vp(void *ctx)
{
	struct vp *vp = ctx;
	struct monitor *monitor = vp->monitor;
	struct gabi_kvm_exit exit;
	struct gabi_diag diag = { 0 };

	while (!atomic_load(&monitor->ending)) {
		if (!gabi_kvm_vp_run(monitor->machine, vp->index, 0, &exit, &diag)) {
			serve(vp, &exit);
			continue;
		}
		pthread_mutex_lock(&monitor->lock);
		end_with(monitor, VMM_END_STUCK, 0, diag.text);
		pthread_mutex_unlock(&monitor->lock);
	}
	return NULL;
}

/* ---- from the image to the end ---- */

static void ignore(int signal)
{
	(void)signal;
}

static void tell_cpuid(void *ctx, unsigned vp, uint32_t leaf, uint32_t sub, uint32_t regs[4])
{
	const struct monitor *monitor = ctx;

	vmm_topology(monitor->options->cpus, vp, leaf, sub, regs);
}

static int make_hyperv(struct monitor *monitor, unsigned *ret_overlays, struct gabi_diag *diag)
{
	const struct vmm_hyperv_options hyperv = {
		.contract = monitor->options->terms->contract, .cpus = monitor->options->cpus, .memory = monitor->options->memory,
		.wake = hyperv_wake, .end = hyperv_end, .ctx = monitor,
	};

	return monitor->options->hyperv ? vmm_hyperv_new(&hyperv, &monitor->hyperv, ret_overlays, diag) : 0;
}

static int make_machine(struct monitor *monitor, struct gabi_diag *diag)
{
	const struct vmm_options *options = monitor->options;
	struct gabi_kvm_machine_options machine = {
		.size = sizeof(machine), .vps = options->cpus, .memory = options->memory, .kick = SIGRTMIN,
		.unverified = options->forced, .hyperv = options->hyperv, .cpuid = tell_cpuid, .ctx = monitor,
	};
	const struct sigaction action = { .sa_handler = ignore };
	int err;

	if (options->memory < VMM_MEMORY_LEAST || options->memory % 4096)
		return gabi_fail(diag, GABI_ERR_ARG, "a guest has at least 4 MiB of memory, in whole pages", (char *)NULL);
	sigaction(SIGRTMIN, &action, NULL);
	err = make_hyperv(monitor, &machine.overlays, diag);
	if (!err)
		err = gabi_kvm_machine_new(options->terms->contract, options->terms->plan, &machine, NULL, &monitor->machine, diag);
	return err || !monitor->hyperv ? err : vmm_hyperv_start(monitor->hyperv, monitor->machine, diag);
}

static void make_devices(struct monitor *monitor)
{
	const struct vmm_pc_options pc = {
		.memory = monitor->options->memory, .cpus = monitor->options->cpus, .base_s = clock_ns(CLOCK_REALTIME) / 1000000000,
		.disk = monitor->options->disk ? &monitor->disk : NULL, .serial_out = serial_out, .console_out = console_out,
		.random = fill_random, .ctx = monitor,
	};

	monitor->board = (struct vmm_board){ board_line, board_ram, board_now_ns, board_end, monitor };
	monitor->start_ns = clock_ns(CLOCK_MONOTONIC);
	vmm_pc_init(&monitor->pc, &monitor->board, &pc);
}

static int load(struct monitor *monitor, struct gabi_diag *diag)
{
	const struct vmm_options *options = monitor->options;
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

/* Signals of the user go to the caller's thread alone. */
static int start_threads(struct monitor *monitor, struct gabi_diag *diag)
{
	sigset_t all, old;
	int failed = 0;

	sigfillset(&all);
	sigdelset(&all, SIGRTMIN);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	for (unsigned i = 0; !failed && i < monitor->options->cpus; i++) {
		monitor->vp[i] = (struct vp){ .monitor = monitor, .index = i };
		failed = pthread_create(&monitor->vp[i].thread, NULL, run_vp, &monitor->vp[i]);
		monitor->vp[i].started = !failed;
	}
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return failed ? gabi_fail(diag, GABI_ERR_NOMEM, "there is no room for a thread more: ", strerror(failed), (char *)NULL) : 0;
}

static void stop_threads(struct monitor *monitor)
{
	atomic_store(&monitor->ending, true);
	for (unsigned i = 0; i < monitor->options->cpus; i++) {
		if (!monitor->vp[i].started)
			continue;
		gabi_kvm_vp_kick(monitor->machine, i);
		pthread_join(monitor->vp[i].thread, NULL);
	}
}

static int run_threads(struct monitor *monitor, struct gabi_diag *diag)
{
	struct termios cooked, raw;
	bool is_terminal = monitor->options->in >= 0 && !tcgetattr(monitor->options->in, &cooked);
	int err = start_threads(monitor, diag);

	if (is_terminal) {
		raw = cooked;
		cfmakeraw(&raw);
		raw.c_oflag |= OPOST;
		tcsetattr(monitor->options->in, TCSADRAIN, &raw);
	}
	if (!err)
		watch(monitor);
	stop_threads(monitor);
	if (is_terminal)
		tcsetattr(monitor->options->in, TCSADRAIN, &cooked);
	return err;
}

static int run_all(struct monitor *monitor, struct gabi_diag *diag)
{
	int err = vmm_disk_open(&monitor->disk, monitor->options->disk, diag);

	if (!err)
		err = make_machine(monitor, diag);
	if (err)
		return err;
	make_devices(monitor);
	err = load(monitor, diag);
	return err ? err : run_threads(monitor, diag);
}

int vmm_run(const struct vmm_options *options, struct vmm_result *ret_result, struct gabi_diag *diag)
{
	struct monitor *monitor = calloc(1, sizeof(*monitor));
	int err = GABI_ERR_NOMEM;

	if (monitor)
		monitor->vp = calloc(options->cpus, sizeof(*monitor->vp));
	if (!monitor || !monitor->vp) {
		free(monitor);
		return gabi_fail(diag, err, "out of memory", (char *)NULL);
	}
	monitor->options = options;
	monitor->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	pthread_mutex_init(&monitor->lock, NULL);
	err = run_all(monitor, diag);
	if (!err)
		*ret_result = monitor->result;
	vmm_hyperv_free(monitor->hyperv);
	gabi_kvm_machine_free(monitor->machine);
	vmm_disk_close(&monitor->disk);
	close(monitor->wake);
	free(monitor->vp);
	free(monitor);
	return err;
}
