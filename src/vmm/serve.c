/* SPDX-License-Identifier: MIT */
#include "serve.h"

#include "base/base.h"
#include "control.h"
#include "migrate.h"
#include "snapshot.h"
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
	atomic_bool paused; /* by a client, or because a guest that was handed over is in doubt */
	atomic_bool cancelled;
	pthread_mutex_t lock; /* of progress */
	struct vmm_progress progress;
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
	if (vmm_control_job(service->control) == VMM_COMMAND_MIGRATE) /* it would arrive running */
		return gabi_fail(diag, GABI_ERR_CONFLICT, "the guest is being moved", (char *)NULL);
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

/* A thread that cannot be confined is not to serve anybody. */
static void begin(void *ctx, bool jobs)
{
	struct vmm_service *service = ctx;
	struct gabi_diag diag = { 0 };

	if (vmm_sandbox_enter(service->monitor->sandbox, jobs ? VMM_THREAD_JOBS : VMM_THREAD_SOCKET, &diag))
		vmm_quit(service->monitor, diag.text);
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

static int save(struct vmm_service *service, const struct vmm_order *order, struct gabi_json *result, struct gabi_diag *diag)
{
	struct stat stat;
	int err;

	if (fstat(order->file, &stat) || !S_ISREG(stat.st_mode))
		return gabi_fail(diag, GABI_ERR_ARG, "what came with the command is no regular file", (char *)NULL);
	err = vmm_save_to(service->monitor, order->file, &service->cancelled, diag);
	if (!err && !fstat(order->file, &stat))
		vmm_json_count(result, "bytes", (uint64_t)stat.st_size);
	return err;
}

static void keep_progress(void *ctx, const struct vmm_progress *progress)
{
	struct vmm_service *service = ctx;

	pthread_mutex_lock(&service->lock);
	service->progress = *progress;
	pthread_mutex_unlock(&service->lock);
}

static void tell_progress(void *ctx, struct gabi_json *json)
{
	struct vmm_service *service = ctx;
	struct vmm_progress progress;

	pthread_mutex_lock(&service->lock);
	progress = service->progress;
	pthread_mutex_unlock(&service->lock);
	if (!progress.phase)
		return;
	vmm_json_count(json, "bytes", progress.bytes);
	vmm_json_count(json, "bytes-per-s", progress.bytes_per_s);
	vmm_json_count(json, "downtime-ms", progress.downtime_ms);
	vmm_json_count(json, "pages-left", progress.pages_left);
	gabi_json_text(json, "phase", progress.phase);
	gabi_json_uint(json, "round", progress.round);
	gabi_json_uint(json, "throttle", progress.throttle);
}

/* A guest that is in doubt stays paused, as if a client had wanted it: one can resume or end it. */
static int migrate(struct vmm_service *service, const struct vmm_order *order, struct gabi_json *result, struct gabi_diag *diag)
{
	const struct vmm_migrate_options options = {
		.socket = order->file, .downtime_ms = order->downtime, .cancelled = &service->cancelled, .progress = keep_progress, .ctx = service,
	};
	struct vmm_migrated moved;
	int err;

	if (service->paused)
		return gabi_fail(diag, GABI_ERR_CONFLICT, "the guest is paused, and would arrive running: resume it first", (char *)NULL);
	err = vmm_migrate(service->monitor, &options, &moved, diag);
	if (moved.in_doubt)
		service->paused = true;
	if (err)
		return err;
	vmm_json_count(result, "bytes", moved.bytes);
	vmm_json_count(result, "downtime-bytes", moved.downtime_bytes);
	vmm_json_count(result, "downtime-us", moved.downtime_us);
	gabi_json_uint(result, "rounds", moved.rounds);
	gabi_json_uint(result, "throttle", moved.throttle);
	vmm_json_count(result, "total-us", moved.total_us);
	return 0;
}

static int work(void *ctx, const struct vmm_order *order, struct gabi_json *result, struct gabi_diag *diag)
{
	struct vmm_service *service = ctx;

	keep_progress(service, &(struct vmm_progress){ 0 });
	switch (order->command) {
	case VMM_COMMAND_DUMP:
		return dump(service, order, result, diag);
	case VMM_COMMAND_SAVE:
		return save(service, order, result, diag);
	case VMM_COMMAND_MIGRATE:
		return migrate(service, order, result, diag);
	default:
		return gabi_fail(diag, GABI_ERR_UNKNOWN, "there is no such command", (char *)NULL);
	}
}

static void ready(void *ctx)
{
	atomic_store(&((struct vmm_service *)ctx)->cancelled, false);
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
		.name = place->name, .listener = place->listener, .ops = { .serve = serve, .work = work, .ready = ready, .cancel = cancel, .begin = begin, .progress = tell_progress, .ctx = service },
	};
	int err;

	if (!service)
		return gabi_fail(diag, GABI_ERR_NOMEM, "out of memory", (char *)NULL);
	service->monitor = monitor;
	pthread_mutex_init(&service->lock, NULL);
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
	pthread_mutex_destroy(&service->lock);
	free(service);
}

int vmm_serve(struct vmm_monitor *monitor, const struct vmm_serve_options *options, struct vmm_result *ret_result,
	      struct gabi_diag *diag)
{
	struct vmm_service *service = NULL;
	int err = monitor->options.confined ? vmm_sandbox_confine(options->user, diag) : 0;

	if (!err && options->place)
		err = vmm_service_start(monitor, options->place, &service, diag);
	if (!err && options->start)
		err = options->start(options->ctx, diag);
	if (!err)
		err = vmm_run(monitor, ret_result, diag);
	vmm_service_stop(service);
	return err;
}
