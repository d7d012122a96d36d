/* SPDX-License-Identifier: MIT */
/* The source of a migration: copies memory while the guest runs, until little enough is left. */
#include "migrate.h"

#include "base/base.h"
#include "monitor_own.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
	PAGE = 4096, SLICE = 256 /* pages between two looks at the rest of the world */,
	MEASURE_US = 5000 /* what takes less tells nothing of the link */, DOWNTIME_MS = 100, ROUNDS_MAX = 60, PATIENT_ROUNDS = 2,
	THROTTLE_FIRST = 20, THROTTLE_STEP = 10, THROTTLE_MAX = 95, THROTTLE_PERIOD_MS = 40,
};

struct throttle {
	struct vmm_monitor *monitor;
	pthread_t thread;
	bool started;
	atomic_uint percent;
	atomic_bool ends;
};

struct migration {
	struct vmm_monitor *monitor;
	const struct vmm_migrate_options *options;
	struct vmm_link link;
	struct vmm_stream stream;
	struct vmm_ram *ram;
	uint64_t *bitmap; /* what is to be sent */
	uint64_t pages;   /* of the guest */
	uint64_t pages_per_s;
	struct throttle throttle;
	struct vmm_progress progress;
	bool gone; /* GO was sent */
};

static uint64_t now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static void sleep_ms(unsigned ms)
{
	nanosleep(&(struct timespec){ ms / 1000, (long)(ms % 1000) * 1000000 }, NULL);
}

static void tell(struct migration *m)
{
	m->progress.bytes = m->stream.out_bytes;
	m->progress.throttle = atomic_load(&m->throttle.percent);
	if (m->options->progress)
		m->options->progress(m->options->ctx, &m->progress);
}

/* ---- auto-converge: a guest that writes faster than the link carries stands still for a part of the time ---- */

static void *throttle_run(void *ctx)
{
	struct throttle *throttle = ctx;

	while (!atomic_load(&throttle->ends)) {
		unsigned still = atomic_load(&throttle->percent) * THROTTLE_PERIOD_MS / 100;

		if (still) {
			if (vmm_pause(throttle->monitor, NULL))
				break;
			sleep_ms(still);
			vmm_resume(throttle->monitor);
		}
		sleep_ms(THROTTLE_PERIOD_MS - still);
	}
	return NULL;
}

/* That there is no thread for it only makes it slower. */
static void throttle_more(struct migration *m)
{
	unsigned percent = atomic_load(&m->throttle.percent);

	percent = percent ? percent + THROTTLE_STEP : THROTTLE_FIRST;
	atomic_store(&m->throttle.percent, percent < THROTTLE_MAX ? percent : THROTTLE_MAX);
	if (!m->throttle.started)
		m->throttle.started = !pthread_create(&m->throttle.thread, NULL, throttle_run, &m->throttle);
}

static void throttle_end(struct migration *m)
{
	atomic_store(&m->throttle.ends, true);
	if (m->throttle.started)
		pthread_join(m->throttle.thread, NULL);
	m->throttle.started = false;
}

/* ---- memory ---- */

/* While it gets memory the other side says nothing, unless it gives up. */
static int listen(struct migration *m, struct gabi_diag *diag)
{
	struct vmm_record_in record;
	int err = vmm_link_has_word(&m->link) ? vmm_record_read(&m->stream, &record, diag) : 0;

	if (!err && vmm_link_has_word(&m->link))
		err = vmm_stream_damaged(&m->stream, diag, "the other side says something, and was not asked");
	return err;
}

/* How fast the link is shows when all of it has arrived: much may be on its way in buffers. */
static int end_round(struct migration *m, uint64_t count, uint64_t bytes, uint64_t start_us, struct gabi_diag *diag)
{
	struct vmm_record_in record;
	uint64_t took;
	int err = vmm_record_write(&m->stream, VMM_RECORD_ROUND, NULL, 0, diag);

	if (!err)
		err = vmm_record_expect(&m->stream, VMM_RECORD_ROUND, &record, diag);
	took = now_us() - start_us + 1;
	m->progress.bytes_per_s = bytes * 1000000 / took;
	if (took >= MEASURE_US || !m->pages_per_s)
		m->pages_per_s = count * 1000000 / took + 1;
	return err;
}

/* Sends the bitmap's pages. */
static int send_pages(struct migration *m, bool clears, struct gabi_diag *diag)
{
	uint64_t count = vmm_ram_count(vmm_machine(m->monitor), m->bitmap), start = now_us(), bytes = m->stream.out_bytes;
	int err = 0;

	for (uint64_t page = 0; !err && page < m->pages; page += SLICE) {
		uint64_t end = page + SLICE < m->pages ? page + SLICE : m->pages;

		err = listen(m, diag);
		if (!err && m->options->cancelled && atomic_load(m->options->cancelled))
			err = gabi_fail(diag, GABI_ERR_CONFLICT, "it was cancelled", (char *)NULL);
		if (!err)
			err = vmm_ram_write(m->ram, &m->stream, vmm_machine(m->monitor), m->bitmap, page, end, clears, diag);
		tell(m);
	}
	return err ? err : end_round(m, count, m->stream.out_bytes - bytes, start, diag);
}

/* Nobody is inside a device, or what it is about to write would be lost. */
static int take_dirty(struct migration *m, bool adds, struct gabi_diag *diag)
{
	int err;

	if (!adds)
		for (uint64_t i = 0; i < (m->pages + 63) / 64; i++)
			m->bitmap[i] = 0;
	pthread_mutex_lock(&m->monitor->lock);
	err = gabi_kvm_machine_dirty(vmm_machine(m->monitor), m->bitmap, diag);
	pthread_mutex_unlock(&m->monitor->lock);
	m->progress.pages_left = vmm_ram_count(vmm_machine(m->monitor), m->bitmap);
	m->progress.downtime_ms = m->pages_per_s ? m->progress.pages_left * 1000 / m->pages_per_s : 0;
	return err;
}

/* Round after round, until the rest is small enough. */
static int copy(struct migration *m, struct gabi_diag *diag)
{
	unsigned downtime_ms = m->options->downtime_ms ? m->options->downtime_ms : DOWNTIME_MS;
	int err = gabi_kvm_machine_used(vmm_machine(m->monitor), m->bitmap, diag);

	m->progress.phase = "copying";
	for (m->progress.round = 1; !err; m->progress.round++) {
		uint64_t sent = vmm_ram_count(vmm_machine(m->monitor), m->bitmap);

		m->progress.pages_left = sent;
		err = send_pages(m, m->progress.round > 1, diag);
		if (!err)
			err = take_dirty(m, false, diag);
		tell(m);
		if (err || m->progress.downtime_ms <= downtime_ms)
			return err;
		if (m->progress.round > PATIENT_ROUNDS && m->progress.pages_left > sent / 2)
			throttle_more(m);
		if (m->progress.round == ROUNDS_MAX)
			return gabi_fail(diag, GABI_ERR_LIMIT, "the guest writes faster than the link carries, even when it is slowed down; "
					 "allow a longer downtime, or pause it", (char *)NULL);
	}
	return err;
}

/* ---- from the question to the end ---- */

static int ask(struct migration *m, struct gabi_diag *diag)
{
	struct vmm_record_in record;
	int err = vmm_stream_begin(&m->stream, diag);

	m->progress.phase = "asking";
	tell(m);
	if (!err)
		err = vmm_head_write(&m->stream, m->monitor, diag);
	if (!err)
		err = vmm_pause(m->monitor, diag);
	if (err)
		return err;
	err = vmm_rehearsal_write(&m->stream, m->monitor, diag);
	vmm_resume(m->monitor);
	if (!err)
		err = vmm_stream_expect_begin(&m->stream, diag);
	return err ? err : vmm_record_expect(&m->stream, VMM_RECORD_READY, &record, diag);
}

/* The guest stands still. */
static int send_rest(struct migration *m, struct gabi_diag *diag)
{
	struct vmm_record_in record;
	int err = take_dirty(m, true, diag);

	m->progress.phase = "handing over";
	if (!err)
		err = send_pages(m, true, diag);
	if (!err)
		err = vmm_state_write(&m->stream, m->monitor, diag);
	if (!err)
		err = vmm_record_expect(&m->stream, VMM_RECORD_RESTORED, &record, diag);
	return err;
}

/* Now nothing may interrupt: what the other side answers decides whose the guest is. */
static int let_go(struct migration *m, struct vmm_migrated *ret, struct gabi_diag *diag)
{
	struct vmm_record_in record;
	int err = vmm_disk_release(&m->monitor->disk, diag);

	m->link.cancelled = m->link.ended = NULL;
	m->link.end_ms = now_us() / 1000 + m->link.patience_ms; /* of a whole answer: nobody can call it off, and its bytes may come one by one */
	if (!err)
		err = vmm_record_write(&m->stream, VMM_RECORD_GO, NULL, 0, diag);
	m->gone = !err;
	if (!err)
		err = vmm_record_expect(&m->stream, VMM_RECORD_RUNNING, &record, diag);
	if (!err)
		return 0;
	ret->in_doubt = m->gone && err != GABI_ERR_CONFLICT;
	if (!ret->in_doubt && vmm_disk_lock(&m->monitor->disk, NULL))
		ret->in_doubt = true; /* whoever has it now may be the guest itself */
	return err;
}

static int doubt(struct gabi_diag *diag)
{
	char why[sizeof(diag->text)] = "";

	if (diag)
		memcpy(why, diag->text, sizeof(why));
	return gabi_fail(diag, GABI_ERR_IO, "the guest had been handed over, and it is not known here whether it runs there: ", why,
			 "; look there: if it does, end it here, and if it does not, resume it here", (char *)NULL);
}

static int hand_over(struct migration *m, struct vmm_migrated *ret, struct gabi_diag *diag)
{
	uint64_t start = now_us(), bytes = m->stream.out_bytes;
	int err = vmm_pause(m->monitor, diag);

	if (err)
		return err;
	err = send_rest(m, diag);
	if (!err)
		err = let_go(m, ret, diag);
	ret->downtime_us = now_us() - start;
	ret->downtime_bytes = m->stream.out_bytes - bytes;
	if (!err) {
		pthread_mutex_lock(&m->monitor->lock);
		vmm_end_with(m->monitor, VMM_END_MOVED, 0, "the guest was moved to another host");
		pthread_mutex_unlock(&m->monitor->lock);
	}
	if (ret->in_doubt)
		return doubt(diag);
	vmm_resume(m->monitor);
	return err;
}

static int go(struct migration *m, struct vmm_migrated *ret, struct gabi_diag *diag)
{
	int err = ask(m, diag);

	if (!err)
		err = gabi_kvm_machine_log(vmm_machine(m->monitor), 1, diag);
	if (!err)
		err = copy(m, diag);
	throttle_end(m);
	if (!err)
		err = hand_over(m, ret, diag);
	if (err)
		gabi_kvm_machine_log(vmm_machine(m->monitor), 0, NULL);
	return err;
}

int vmm_migrate(struct vmm_monitor *monitor, const struct vmm_migrate_options *options, struct vmm_migrated *ret, struct gabi_diag *diag)
{
	struct migration m = {
		.monitor = monitor, .options = options, .pages = gabi_kvm_machine_pages(vmm_machine(monitor)),
		.link = { options->socket, options->patience_ms ? options->patience_ms : VMM_LINK_PATIENCE_MS, options->cancelled, &monitor->ending },
		.throttle.monitor = monitor,
	};
	uint64_t start = now_us();
	int err = GABI_ERR_NOMEM;

	*ret = (struct vmm_migrated){ 0 };
	m.stream.pipe = vmm_link_pipe(&m.link);
	m.ram = vmm_ram_new(diag);
	m.bitmap = m.ram ? vmm_ram_bitmap(vmm_machine(monitor)) : NULL;
	err = m.bitmap ? go(&m, ret, diag) : gabi_fail(diag, GABI_ERR_NOMEM, "out of memory", (char *)NULL);
	ret->bytes = m.stream.out_bytes;
	ret->rounds = m.progress.round;
	ret->throttle = atomic_load(&m.throttle.percent);
	ret->total_us = now_us() - start;
	free(m.bitmap);
	vmm_ram_free(m.ram);
	vmm_stream_close(&m.stream);
	return err;
}
