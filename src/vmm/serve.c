/* SPDX-License-Identifier: MIT */
#include "serve.h"

#include "base/base.h"
#include "control.h"
#include "monitor_own.h"

#include <gabi/formats.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

struct vmm_service {
	struct vmm_monitor *monitor;
	struct vmm_control *control;
	time_t start_s;
	bool paused; /* by a client; only the socket's thread looks */
	atomic_bool cancelled;
};

static time_t now_s(void)
{
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	return now.tv_sec;
}

/* ---- what is told ---- */

static void tell_contract(const struct vmm_service *service, struct gabi_json *result)
{
	char digest[GABI_FORMATS_DIGEST_CAP];
	uint8_t bytes[GABI_DIGEST_LEN];

	gabi_contract_digest(service->monitor->options.terms->contract, bytes);
	gabi_digest_print(bytes, digest);
	gabi_json_text(result, "contract", digest);
}

static int tell_status(struct vmm_service *service, struct gabi_json *result)
{
	const struct vmm_options *options = &service->monitor->options;
	enum vmm_command job = vmm_control_job(service->control);

	tell_contract(service, result);
	gabi_json_uint(result, "cpus", options->cpus);
	gabi_json_bool(result, "hyperv", options->hyperv);
	if (job != VMM_COMMANDS)
		gabi_json_text(result, "job", vmm_command_name(job));
	vmm_json_count(result, "memory", options->memory);
	gabi_json_uint(result, "pid", (uint32_t)getpid());
	gabi_json_text(result, "state", service->paused ? "paused" : vmm_is_paused(service->monitor) ? "held" : "running");
	vmm_json_count(result, "uptime", (uint64_t)(now_s() - service->start_s));
	return 0;
}

static int tell_counters(const struct vmm_service *service, struct gabi_json *result)
{
	static const char *const names[] = {
#define VMM_COUNT(id, name, what) name,
#include "counts.def"
	};

	gabi_json_open(result, "vps", '[');
	for (unsigned vp = 0; vp < service->monitor->options.cpus; vp++) {
		gabi_json_open(result, NULL, '{');
		for (unsigned i = 0; i < VMM_COUNTS; i++)
			vmm_json_count(result, names[i], vmm_counted(&service->monitor->vp[vp].counts, i));
		gabi_json_close(result, '}');
	}
	gabi_json_close(result, ']');
	return 0;
}

/* ---- what is done ---- */

static int pause_guest(struct vmm_service *service, struct gabi_diag *diag)
{
	int err;

	if (service->paused)
		return gabi_fail(diag, GABI_ERR_CONFLICT, "the guest is paused already", (char *)NULL);
	err = vmm_pause(service->monitor, diag);
	service->paused = !err;
	return err;
}

static int resume_guest(struct vmm_service *service, struct gabi_diag *diag)
{
	if (!service->paused)
		return gabi_fail(diag, GABI_ERR_CONFLICT, "the guest is not paused", (char *)NULL);
	service->paused = false;
	vmm_resume(service->monitor);
	return 0;
}

/* Intel SDM volume 3, message data: delivery mode 100 is an NMI. It comes without waiting for the processor to leave KVM. */
static int inject_nmi(const struct vmm_service *service, uint32_t vp, struct gabi_diag *diag)
{
	if (vp >= service->monitor->options.cpus)
		return gabi_fail(diag, GABI_ERR_RANGE, "there is no such virtual processor", (char *)NULL);
	if (gabi_kvm_machine_msi(service->monitor->machine, 0, 0xfee00000u | vp << 12, 4u << 8))
		return gabi_fail(diag, GABI_ERR_KVM, "KVM did not take the interrupt", (char *)NULL);
	return 0;
}

static int serve(void *ctx, const struct vmm_order *order, struct gabi_json *result, struct gabi_diag *diag)
{
	struct vmm_service *service = ctx;

	switch (order->command) {
	case VMM_COMMAND_STATUS:
		return tell_status(service, result);
	case VMM_COMMAND_COUNTERS:
		return tell_counters(service, result);
	case VMM_COMMAND_PAUSE:
		return pause_guest(service, diag);
	case VMM_COMMAND_RESUME:
		return resume_guest(service, diag);
	case VMM_COMMAND_NMI:
		return inject_nmi(service, order->vp, diag);
	case VMM_COMMAND_QUIT:
		vmm_quit(service->monitor, "the guest was ended through its socket");
		return 0;
	default:
		return gabi_fail(diag, GABI_ERR_UNKNOWN, "there is no such command", (char *)NULL);
	}
}

/* ---- jobs ---- */

static int write_file(const struct vmm_service *service, int file, const char *bytes, size_t len, struct gabi_diag *diag)
{
	while (len) {
		ssize_t done = write(file, bytes, len);

		if (atomic_load(&service->cancelled))
			return gabi_fail(diag, GABI_ERR_CONFLICT, "it was cancelled", (char *)NULL);
		if (done < 0 && errno != EINTR)
			return gabi_fail(diag, GABI_ERR_IO, "the file cannot be written: ", strerror(errno), (char *)NULL);
		bytes += done > 0 ? done : 0;
		len -= done > 0 ? (size_t)done : 0;
	}
	return 0;
}

static int save_level(const struct vmm_service *service, unsigned vtl, struct gabi_state **ret_state, struct gabi_diag *diag)
{
	struct vmm_monitor *monitor = service->monitor;
	const struct gabi_kvm_vm *vm = gabi_kvm_machine_vm(monitor->machine, vtl);
	int err;

	if (!vm)
		return gabi_fail(diag, GABI_ERR_RANGE, "the guest has no such trust level", (char *)NULL);
	err = vmm_pause(monitor, diag);
	if (err)
		return err;
	err = gabi_kvm_save(monitor->options.terms->contract, vm, NULL, ret_state, NULL, diag);
	vmm_resume(monitor);
	return err;
}

/* A pipe or a socket that nobody reads would keep the thread. */
static int dump(struct vmm_service *service, const struct vmm_order *order, struct gabi_json *result, struct gabi_diag *diag)
{
	struct gabi_state *state = NULL;
	struct stat stat;
	char *bytes = NULL;
	size_t len = 0;
	int err;

	if (fstat(order->file, &stat) || !S_ISREG(stat.st_mode))
		return gabi_fail(diag, GABI_ERR_ARG, "what came with the command is no regular file", (char *)NULL);
	err = save_level(service, order->vtl, &state, diag);
	if (!err && gabi_state_write(state, NULL, &bytes, &len))
		err = gabi_fail(diag, GABI_ERR_NOMEM, "out of memory", (char *)NULL);
	if (!err)
		err = write_file(service, order->file, bytes, len, diag);
	if (!err)
		vmm_json_count(result, "bytes", len);
	gabi_text_free(bytes, NULL);
	gabi_state_free(state);
	return err;
}

static int work(void *ctx, const struct vmm_order *order, struct gabi_json *result, struct gabi_diag *diag)
{
	struct vmm_service *service = ctx;

	atomic_store(&service->cancelled, false);
	switch (order->command) {
	case VMM_COMMAND_DUMP:
		return dump(service, order, result, diag);
	default:
		return gabi_fail(diag, GABI_ERR_UNKNOWN, "there is no such command", (char *)NULL);
	}
}

static void cancel(void *ctx)
{
	atomic_store(&((struct vmm_service *)ctx)->cancelled, true);
}

/* ---- from beginning to end ---- */

int vmm_service_start(struct vmm_monitor *monitor, const struct vmm_place *place, struct vmm_service **ret_service, struct gabi_diag *diag)
{
	struct vmm_service *service = calloc(1, sizeof(*service));
	const struct vmm_control_options options = {
		.name = place->name, .listener = place->listener, .ops = { .serve = serve, .work = work, .cancel = cancel, .ctx = service },
	};
	int err;

	if (!service)
		return gabi_fail(diag, GABI_ERR_NOMEM, "out of memory", (char *)NULL);
	service->monitor = monitor;
	service->start_s = now_s();
	err = vmm_control_start(&options, &service->control, diag);
	if (err)
		free(service);
	else
		*ret_service = service;
	return err;
}

void vmm_service_stop(struct vmm_service *service)
{
	if (!service)
		return;
	vmm_control_stop(service->control);
	if (service->paused)
		vmm_resume(service->monitor);
	free(service);
}
