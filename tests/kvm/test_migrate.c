/* SPDX-License-Identifier: MIT */
/* A guest that works moves between two monitors, by a link that is sound, slow, cut, or alters what goes through it. */
#include "traveller.h"

#include "vmm/boot.h"
#include "vmm/migrate.h"
#include "vmm/monitor_own.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <errno.h>
#include <linux/kvm.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* ---- a link ---- */

/* On a link that may fall silent one waits as long as that; on a sound one as long as a busy machine may need. */
enum { FORTH, BACK, NEVER = -1, PATIENCE_MS = 3000, PATIENT_MS = 60000, BEGINNING = 16, RECORD_HEAD = 24 };

/* What a link does with the first message of a kind: how far it comes, whether it is altered, whether the link falls silent instead, or lets
 * byte after byte through, each before anybody's patience ends. */
enum deed { NOTHING, CUT_INSIDE, CUT_BEHIND, ALTER, SILENCE, TRICKLE };

struct link {
	int near[2], far[2];   /* [0] the monitor's, [1] the link's */
	pthread_t thread;
	atomic_bool ends;
	atomic_long passed[2]; /* bytes each way */
	/* What it does to the byte of that number. */
	long cut[2], alter[2];
	long slow_ns;          /* for each KiB forth */
	/* What it does with messages. */
	enum deed deed;
	enum vmm_record kind;
	void (*silent)(void);  /* is called when it has fallen so */
	bool is_silent, trickles;
	struct framing {
		unsigned char head[RECORD_HEAD];
		size_t head_len;
		uint64_t rest;     /* of the message, or of the beginning */
		bool begun;
	} framing[2];
	atomic_uint messages[VMM_RECORD_COUNT]; /* that came by, whole or not */
};


static void sleep_ns(long ns)
{
	nanosleep(&(struct timespec){ ns / 1000000000, ns % 1000000000 }, NULL);
}

/* The head of a message has come by, which begins at that byte: now it is known where its bytes are that are to suffer. */
static void see_message(struct link *link, int way, long start, enum vmm_record kind, uint64_t len)
{
	long end = start + RECORD_HEAD + (long)len;

	if (kind >= VMM_RECORD_COUNT || atomic_fetch_add(&link->messages[kind], 1) || kind != link->kind)
		return;
	switch (link->deed) {
	case NOTHING:
		break;
	case CUT_INSIDE:
		link->cut[way] = (start + end) / 2;
		break;
	case CUT_BEHIND:
		link->cut[way] = end;
		break;
	case ALTER:
		link->alter[way] = (start + end) / 2;
		break;
	case SILENCE:
		link->is_silent = true;
		link->silent();
		break;
	case TRICKLE:
		link->trickles = true;
		break;
	}
}

/* Follows the messages in what comes by (vmm/stream.h). */
static void look_at(struct link *link, int way, const unsigned char *bytes, long len, long first)
{
	struct framing *framing = &link->framing[way];

	if (!framing->begun)
		framing->rest = BEGINNING;
	framing->begun = true;
	for (long at = 0; at < len; at++) {
		if (framing->rest) {
			framing->rest--;
			continue;
		}
		framing->head[framing->head_len++] = bytes[at];
		if (framing->head_len < RECORD_HEAD)
			continue;
		framing->head_len = 0;
		framing->rest = vmm_get(framing->head + 8, 8);
		see_message(link, way, first + at + 1 - RECORD_HEAD, (enum vmm_record)vmm_get(framing->head, 4), framing->rest);
	}
}

/* False at the end. */
static bool pass(struct link *link, int way, int from, int to)
{
	unsigned char bytes[1024];
	long done = atomic_load(&link->passed[way]), cut, alter;
	ssize_t len = recv(from, bytes, sizeof(bytes), MSG_DONTWAIT);

	if (len <= 0)
		return len < 0;
	look_at(link, way, bytes, len, done);
	if (link->is_silent)
		return true;
	cut = link->cut[way] < 0 || link->cut[way] > done ? link->cut[way] : done; /* a part of a head may have passed */
	alter = link->alter[way];
	if (cut >= 0 && done + len > cut)
		len = cut - done;
	if (alter >= done && alter < done + len)
		bytes[alter - done] ^= 0x10;
	if (way == FORTH && link->slow_ns)
		sleep_ns(link->slow_ns);
	for (ssize_t at = 0; at < len;) {
		ssize_t part = send(to, bytes + at, link->trickles ? 1 : (size_t)(len - at), MSG_NOSIGNAL);

		if (part < 0)
			return false;
		at += part;
		if (link->trickles)
			sleep_ns(PATIENCE_MS / 3 * 1000000L);
	}
	atomic_fetch_add(&link->passed[way], len);
	return cut < 0 || done + len < cut;
}

/* One way may end before the other, in which there are the last words. A cut ends both. */
static void *carry(void *ctx)
{
	struct link *link = ctx;
	bool open[2] = { true, true };

	while (open[FORTH] | open[BACK] && !atomic_load(&link->ends)) {
		struct pollfd fds[] = { { open[FORTH] ? link->near[1] : -1, POLLIN, 0 }, { open[BACK] ? link->far[1] : -1, POLLIN, 0 } };

		poll(fds, 2, 20);
		for (int way = FORTH; way <= BACK; way++) {
			int from = way == FORTH ? link->near[1] : link->far[1], to = way == FORTH ? link->far[1] : link->near[1];

			if (!fds[way].revents || pass(link, way, from, to))
				continue;
			open[way] = false;
			shutdown(to, SHUT_WR);
			if (link->cut[way] >= 0 && atomic_load(&link->passed[way]) >= link->cut[way])
				open[FORTH] = open[BACK] = false;
		}
	}
	close(link->near[1]);
	close(link->far[1]);
	return NULL;
}

static const struct link sound = { .cut = { NEVER, NEVER }, .alter = { NEVER, NEVER } };

static void link_open(struct link *link, const struct link *like)
{
	*link = *like;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, link->near), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, link->far), 0);
	assert_int_equal(pthread_create(&link->thread, NULL, carry, link), 0);
}

static void link_close(struct link *link)
{
	atomic_store(&link->ends, true);
	pthread_join(link->thread, NULL);
	close(link->near[0]);
	close(link->far[0]);
}

/* ---- the other side ---- */

struct far {
	unsigned patience_ms;
	int socket;
	unsigned cpus;
	bool hyperv;
	struct traveller *guest;
	struct vmm_incoming incoming;
	struct gabi_diag diag;
	int err;
	pthread_t thread;
};

/* The guest runs in a thread of its own, whether it comes or not. */
static void *await(void *ctx)
{
	struct far *far = ctx;

	far->err = vmm_incoming_open(&far->incoming, far->socket, far->patience_ms, &far->diag);
	if (!far->err)
		far->err = vmm_incoming_start(&far->incoming, far->guest->monitor, &far->diag);
	if (!far->err) {
		traveller_run(far->guest);
		far->err = vmm_incoming_wait(&far->incoming, &far->diag);
	}
	if (far->err) /* as a process that ends */
		shutdown(far->socket, SHUT_RDWR);
	vmm_incoming_close(&far->incoming);
	return NULL;
}

struct trip {
	struct link link;
	struct far far;
	struct vmm_migrated moved;
	struct gabi_diag diag;
	int err;
};

static struct traveller guests[2];

static void go(struct trip *trip, struct traveller *from, struct traveller *to, const struct link *like, const struct vmm_migrate_options *more)
{
	struct vmm_migrate_options options = more ? *more : (struct vmm_migrate_options){ 0 };

	trip->diag = (struct gabi_diag){ 0 };
	link_open(&trip->link, like);
	trip->far = (struct far){ .socket = trip->link.far[0], .guest = to, .patience_ms = like == &sound ? PATIENT_MS : PATIENCE_MS };
	if (!to->monitor)
		traveller_new_incoming(to, from->hyperv, from->options.cpus);
	assert_int_equal(pthread_create(&trip->far.thread, NULL, await, &trip->far), 0);
	options.socket = trip->link.near[0];
	options.patience_ms = trip->far.patience_ms;
	trip->err = vmm_migrate(from->monitor, &options, &trip->moved, &trip->diag);
	if (trip->err)
		shutdown(trip->link.near[0], SHUT_RDWR);
	pthread_join(trip->far.thread, NULL);
	link_close(&trip->link);
}

static void must_arrive(struct trip *trip, struct traveller *from, struct traveller *to)
{
	if (trip->err || trip->far.err)
		fail_msg("it does not arrive: %s; %s", trip->diag.text, trip->far.diag.text);
	pthread_join(from->thread, NULL);
	from->runs = false;
	assert_int_equal(from->result.end, VMM_END_MOVED);
	traveller_wait(to, "turn", 1);
}

static int free_guests(void **state)
{
	(void)state;
	for (int i = 0; i < 2; i++)
		if (guests[i].monitor)
			traveller_stop(&guests[i]);
	memset(guests, 0, sizeof(guests));
	return 0;
}

static void begin(bool hyperv, unsigned cpus)
{
	traveller_new(&guests[0], hyperv, cpus, false);
	traveller_run(&guests[0]);
	traveller_wait(&guests[0], "turn", 2);
}

/* ---- a sound link ---- */

static void migrate__one_processor__works_on_there(void **state)
{
	struct trip trip;

	(void)state;
	begin(false, 1);
	go(&trip, &guests[0], &guests[1], &sound, NULL);
	must_arrive(&trip, &guests[0], &guests[1]);
	assert_int_equal(traveller_end(&guests[1]), 0);
	assert_null(strstr(guests[1].said, "all others run")); /* it did not begin anew */
}

static void migrate__two_processors_with_hyperv__there_and_back_again_and_again(void **state)
{
	struct trip trip;
	unsigned at = 0, trips = getenv("GABI_SOAK") ? 100 : 6;

	(void)state;
	begin(true, 2);
	for (unsigned i = 0; i < trips; i++, at ^= 1) {
		go(&trip, &guests[at], &guests[at ^ 1], &sound, NULL);
		must_arrive(&trip, &guests[at], &guests[at ^ 1]);
		traveller_stop(&guests[at]);
		memset(&guests[at], 0, sizeof(guests[at]));
	}
	assert_int_equal(traveller_end(&guests[at]), 0);
}

static unsigned throttled_by(long slow_ns)
{
	struct link slow = sound;
	struct vmm_migrate_options options = { .downtime_ms = 60 };
	struct trip trip;

	slow.slow_ns = slow_ns;
	begin(false, 2);
	go(&trip, &guests[0], &guests[1], &slow, &options);
	must_arrive(&trip, &guests[0], &guests[1]);
	print_message("%u rounds, throttled by %u %%, stood still for %u us\n", trip.moved.rounds, trip.moved.throttle,
		      (unsigned)trip.moved.downtime_us);
	assert_int_equal(traveller_end(&guests[1]), 0);
	free_guests(NULL);
	return trip.moved.throttle;
}

/* It writes all of its memory in a fraction of the time that the link takes for that; where it gets too little of a processor to, over a slower one. */
static void migrate__slow_link__guest_is_slowed_down_until_it_fits(void **state)
{
	unsigned percent = 0;

	(void)state;
	for (long slow_ns = 3000000; !percent && slow_ns <= 12000000; slow_ns *= 2)
		percent = throttled_by(slow_ns);
	assert_in_range(percent, 1, 100);
}

static atomic_bool cancelled;
static uint64_t cancel_at;

static void cancel(void *ctx, const struct vmm_progress *progress)
{
	(void)ctx;
	if (progress->bytes >= cancel_at)
		atomic_store(&cancelled, true);
}

static void migrate__cancelled_at_any_time__goes_on_here(void **state)
{
	static const uint64_t bytes[] = { 0, 1, 3000, 30000, 60000 };
	const struct vmm_migrate_options options = { .cancelled = &cancelled, .progress = cancel };
	struct trip trip;

	(void)state;
	begin(true, 2);
	for (size_t i = 0; i < sizeof(bytes) / sizeof(bytes[0]); i++) {
		struct link slow = sound;

		slow.slow_ns = 100000;
		atomic_store(&cancelled, false);
		cancel_at = bytes[i];
		go(&trip, &guests[0], &guests[1], &slow, &options);
		assert_int_equal(trip.err, GABI_ERR_CONFLICT);
		assert_string_equal(trip.diag.text, "it was cancelled");
		assert_true(trip.far.err);
		traveller_wait(&guests[0], "turn", 1);
		traveller_stop(&guests[1]);
		memset(&guests[1], 0, sizeof(guests[1]));
	}
	go(&trip, &guests[0], &guests[1], &sound, NULL);
	must_arrive(&trip, &guests[0], &guests[1]);
	assert_int_equal(traveller_end(&guests[1]), 0);
}

static void migrate__other_shape__refused_before_memory(void **state)
{
	struct trip trip;

	(void)state;
	begin(false, 1);
	traveller_new_incoming(&guests[1], false, 2);
	go(&trip, &guests[0], &guests[1], &sound, NULL);
	assert_int_equal(trip.err, GABI_ERR_CONFLICT);
	assert_string_equal(trip.diag.text, "the other side says: the guest has 1 virtual processors, and here are 2");
	assert_int_equal(trip.moved.rounds, 0);
	assert_int_equal(trip.link.messages[VMM_RECORD_PAGES], 0);
	traveller_wait(&guests[0], "turn", 1);
	assert_int_equal(traveller_end(&guests[0]), 0);
}

/* It knows of nothing: what is judged by it is the states, for the contract was before there was a monitor. */
static struct gabi_host *unknown_host(void)
{
	struct gabi_host *host = gabi_host_new(GABI_ARCH_X86, GABI_VIEW_KVM, NULL);
	struct gabi_diag diag = { 0 };

	assert_non_null(host);
	assert_int_equal(gabi_host_seal(host, &diag), 0);
	return host;
}

static void migrate__state_that_cannot_be_loaded__refused_before_memory(void **state)
{
	struct trip trip;

	(void)state;
	begin(true, 1);
	traveller_new_incoming(&guests[1], true, 1);
	gabi_host_free(guests[1].terms.host);
	guests[1].terms.host = unknown_host();
	guests[1].monitor->options.forced = false;
	go(&trip, &guests[0], &guests[1], &sound, NULL);
	assert_int_equal(trip.err, GABI_ERR_CONFLICT);
	if (!strstr(trip.diag.text, "this host cannot load the guest's state"))
		fail_msg("it says: %s", trip.diag.text);
	assert_int_equal(trip.link.messages[VMM_RECORD_REHEARSAL], 1);
	assert_int_equal(trip.link.messages[VMM_RECORD_PAGES], 0);
	traveller_wait(&guests[0], "turn", 1);
	assert_int_equal(traveller_end(&guests[0]), 0);
}

/* ---- what is found only in the end: of the last state, when all memory is there ---- */

int __real_kvm_ioctl(int fd, unsigned long request, void *arg); /* ld's --wrap */
int __wrap_kvm_ioctl(int fd, unsigned long request, void *arg);

static atomic_bool gives_nested, refuses_lapic;
static atomic_uint nested_saves;

/* A nested guest whose VMCB lies where none may. */
static int give_nested(struct kvm_nested_state *state)
{
	enum { LEN = sizeof(struct kvm_nested_state) + KVM_STATE_NESTED_SVM_VMCB_SIZE };

	memset(state, 0, LEN);
	state->size = LEN;
	state->format = KVM_STATE_NESTED_FORMAT_SVM;
	state->flags = KVM_STATE_NESTED_GUEST_MODE;
	state->hdr.svm.vmcb_pa = 1;
	return 0;
}

/* The first time it is asked for is for the rehearsal. */
int __wrap_kvm_ioctl(int fd, unsigned long request, void *arg)
{
	if (request == KVM_GET_NESTED_STATE && atomic_load(&gives_nested) && atomic_fetch_add(&nested_saves, 1))
		return give_nested(arg);
	if (request == KVM_SET_LAPIC && atomic_load(&refuses_lapic)) {
		errno = EINVAL;
		return -1;
	}
	return __real_kvm_ioctl(fd, request, arg);
}

static void must_be_refused_at_the_end(const char *why)
{
	struct trip trip;

	begin(false, 1);
	go(&trip, &guests[0], &guests[1], &sound, NULL);
	atomic_store(&gives_nested, false);
	atomic_store(&refuses_lapic, false);
	assert_int_equal(trip.err, GABI_ERR_CONFLICT);
	if (!strstr(trip.diag.text, why))
		fail_msg("it says: %s", trip.diag.text);
	assert_int_equal(trip.link.messages[VMM_RECORD_READY], 1);
	assert_int_equal(trip.link.messages[VMM_RECORD_STATE], 1);
	assert_int_equal(trip.link.messages[VMM_RECORD_RESTORED], 0);
	assert_int_equal(trip.link.messages[VMM_RECORD_GO], 0);
	assert_false(trip.moved.in_doubt);
	assert_false(vmm_is_paused(guests[0].monitor));
	traveller_wait(&guests[0], "turn", 1);
	assert_int_equal(traveller_end(&guests[0]), 0);
}

static void migrate__last_nested_state_is_refused__goes_on_here(void **state)
{
	(void)state;
	atomic_store(&nested_saves, 0);
	atomic_store(&gives_nested, true);
	must_be_refused_at_the_end("the nested state");
	assert_int_equal(nested_saves, 2);
}

static void migrate__kvm_refuses_the_last_state__goes_on_here(void **state)
{
	(void)state;
	atomic_store(&refuses_lapic, true);
	must_be_refused_at_the_end("KVM refused to load");
}

/* ---- faults ---- */

/* Whatever happened on the way: it works on in one place, or is held where it was and can be let go. */
static void must_be_in_one_place(struct trip *trip, const char *how, long at)
{
	if (!trip->err) {
		must_arrive(trip, &guests[0], &guests[1]);
		fail_msg("%s at byte %ld: it arrives", how, at);
	}
	if (!*trip->diag.text)
		fail_msg("%s at byte %ld: nothing is said", how, at);
	if (trip->moved.in_doubt) {
		assert_true(vmm_is_paused(guests[0].monitor));
		vmm_resume(guests[0].monitor);
	}
	assert_false(vmm_is_paused(guests[0].monitor));
	traveller_wait(&guests[0], "turn", 1);
	traveller_stop(&guests[1]);
	memset(&guests[1], 0, sizeof(guests[1]));
}

/* How many faults are tried each way. */
static long steps(void)
{
	return getenv("GABI_SOAK") ? 44 : 8;
}

/* How long a trip is, each way. */
static void measure(long ret_passed[2])
{
	struct trip trip;

	begin(true, 2);
	go(&trip, &guests[0], &guests[1], &sound, NULL);
	must_arrive(&trip, &guests[0], &guests[1]);
	ret_passed[FORTH] = atomic_load(&trip.link.passed[FORTH]);
	ret_passed[BACK] = atomic_load(&trip.link.passed[BACK]);
	free_guests(NULL);
}

/* Closer together at the beginning; half-way at the most, for a trip may be shorter than the one that was measured. */
static long place_of(long step, long passed)
{
	return passed / 2 * step / steps() * (step < steps() / 2 ? step : steps()) / steps();
}

static void migrate__link_cut_at_any_byte__guest_is_in_one_place(void **state)
{
	long passed[2];
	struct trip trip;

	(void)state;
	measure(passed);
	begin(true, 1);
	for (long i = 0; i < steps(); i++) {
		struct link bad = sound;

		bad.cut[FORTH] = place_of(i, passed[FORTH]);
		go(&trip, &guests[0], &guests[1], &bad, NULL);
		assert_false(trip.moved.in_doubt); /* that far GO never comes */
		must_be_in_one_place(&trip, "cut", bad.cut[FORTH]);
	}
	for (long at = 0; at < passed[BACK]; at += 88 / steps()) {
		struct link bad = sound;

		bad.cut[BACK] = at;
		go(&trip, &guests[0], &guests[1], &bad, NULL);
		if (at < passed[BACK] - 24)
			assert_false(trip.moved.in_doubt); /* GO was not sent */
		if (trip.moved.in_doubt && !trip.far.err) { /* it runs there, and here it is held: the person looks there first */
			traveller_wait(&guests[1], "turn", 1);
			traveller_end(&guests[1]);
		}
		must_be_in_one_place(&trip, "cut on the way back", at);
	}
	assert_int_equal(traveller_end(&guests[0]), 0);
}

static void migrate__altered_at_any_byte__is_refused(void **state)
{
	long passed[2];
	struct trip trip;

	(void)state;
	measure(passed);
	begin(true, 1);
	for (long i = 0; i < steps(); i++) {
		struct link bad = sound;

		bad.alter[FORTH] = i < steps() / 2 ? i * 7 : passed[FORTH] / 2 * i / steps();
		go(&trip, &guests[0], &guests[1], &bad, NULL);
		must_be_in_one_place(&trip, "altered", bad.alter[FORTH]);
	}
	for (long at = 0; at < passed[BACK]; at += 88 / steps()) {
		struct link bad = sound;

		bad.alter[BACK] = at;
		go(&trip, &guests[0], &guests[1], &bad, NULL);
		if (trip.moved.in_doubt && !trip.far.err) {
			traveller_wait(&guests[1], "turn", 1);
			traveller_end(&guests[1]);
		}
		must_be_in_one_place(&trip, "altered on the way back", at);
	}
	assert_int_equal(traveller_end(&guests[0]), 0);
}

/* ---- each message ---- */

static const struct message {
	const char *name;
	enum vmm_record kind;
} messages[] = {
	{ "MACHINE", VMM_RECORD_MACHINE }, { "CONTRACT", VMM_RECORD_CONTRACT }, { "REHEARSAL", VMM_RECORD_REHEARSAL }, { "READY", VMM_RECORD_READY },
	{ "PAGES", VMM_RECORD_PAGES }, { "ROUND", VMM_RECORD_ROUND }, { "STATE", VMM_RECORD_STATE }, { "DEVICES", VMM_RECORD_DEVICES },
	{ "HYPERV", VMM_RECORD_HYPERV }, { "END", VMM_RECORD_END }, { "RESTORED", VMM_RECORD_RESTORED }, { "GO", VMM_RECORD_GO },
	{ "RUNNING", VMM_RECORD_RUNNING },
};

enum { MESSAGES = sizeof(messages) / sizeof(messages[0]) };

static atomic_bool silenced;

static void fall_silent(void)
{
	atomic_store(&silenced, true);
}

/* May the source have sent GO when that has happened? Only then it cannot know. */
static bool may_be_in_doubt(enum deed deed, enum vmm_record kind)
{
	return kind == VMM_RECORD_GO || kind == VMM_RECORD_RUNNING || (kind == VMM_RECORD_RESTORED && deed == CUT_BEHIND);
}

static void try_deed(enum deed deed, const struct message *message, const struct vmm_migrate_options *options)
{
	struct link bad = sound;
	struct trip trip;
	long at = (long)(message - messages);

	bad.deed = deed;
	bad.kind = message->kind;
	bad.silent = fall_silent;
	go(&trip, &guests[0], &guests[1], &bad, options);
	if (!trip.link.messages[message->kind])
		fail_msg("there is no message %s", message->name);
	if (trip.moved.in_doubt && !may_be_in_doubt(deed, message->kind))
		fail_msg("deed %d with %s: in doubt, and GO was not sent", deed, message->name);
	if (!trip.far.err) { /* it runs there: here it must be held */
		if (trip.err && !trip.moved.in_doubt)
			fail_msg("deed %d with %s: it runs in both places", deed, message->name);
		traveller_wait(&guests[1], "turn", 1);
		traveller_end(&guests[1]);
	}
	must_be_in_one_place(&trip, message->name, at);
}

/* Seen from one side, the other side that is killed is a link that is cut: tests/kvm/move.sh kills them. */
static void migrate__link_cut_at_each_message__guest_is_in_one_place(void **state)
{
	(void)state;
	begin(true, 1);
	for (size_t i = 0; i < MESSAGES; i++)
		for (enum deed deed = CUT_INSIDE; deed <= CUT_BEHIND; deed++)
			if (deed != CUT_BEHIND || messages[i].kind != VMM_RECORD_RUNNING) /* then it has arrived */
				try_deed(deed, &messages[i], NULL);
	assert_int_equal(traveller_end(&guests[0]), 0);
}

static void migrate__each_message_altered__is_refused(void **state)
{
	(void)state;
	begin(true, 1);
	for (size_t i = 0; i < MESSAGES; i++)
		try_deed(ALTER, &messages[i], NULL);
	assert_int_equal(traveller_end(&guests[0]), 0);
}

/* The link falls silent, and somebody has enough of it: at once, but where nobody may interrupt. */
static void migrate__cancelled_at_each_message__goes_on_here(void **state)
{
	const struct vmm_migrate_options options = { .cancelled = &silenced };

	(void)state;
	begin(true, 1);
	for (size_t i = 0; i < MESSAGES; i++) {
		atomic_store(&silenced, false);
		try_deed(SILENCE, &messages[i], &options);
	}
	assert_int_equal(traveller_end(&guests[0]), 0);
}

/* All of it would come in eight times the patience. */
static void migrate__answer_to_go_trickles__is_not_waited_for(void **state)
{
	struct link slow = sound;
	struct trip trip;

	(void)state;
	begin(false, 1);
	slow.deed = TRICKLE;
	slow.kind = VMM_RECORD_RUNNING;
	go(&trip, &guests[0], &guests[1], &slow, NULL);
	assert_int_equal(trip.err, GABI_ERR_IO);
	assert_true(trip.moved.in_doubt);
	assert_non_null(strstr(trip.diag.text, "it is not known here whether it runs there: the other side is silent"));
	assert_int_equal(trip.far.err, 0);
	traveller_wait(&guests[1], "turn", 1);
	traveller_end(&guests[1]);
	must_be_in_one_place(&trip, "RUNNING trickles", 0);
	assert_int_equal(traveller_end(&guests[0]), 0);
}

static void end_guest(void *ctx, const struct vmm_progress *progress)
{
	(void)ctx;
	if (progress->bytes && guests[0].runs)
		assert_int_equal(traveller_end(&guests[0]), 0);
}

static void migrate__guest_ends_meanwhile__says_so(void **state)
{
	const struct vmm_migrate_options options = { .progress = end_guest };
	struct trip trip;

	(void)state;
	begin(false, 1);
	go(&trip, &guests[0], &guests[1], &sound, &options);
	assert_int_equal(trip.err, GABI_ERR_CONFLICT);
	assert_string_equal(trip.diag.text, "the guest has ended");
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(migrate__one_processor__works_on_there, free_guests),
		cmocka_unit_test_teardown(migrate__two_processors_with_hyperv__there_and_back_again_and_again, free_guests),
		cmocka_unit_test_teardown(migrate__slow_link__guest_is_slowed_down_until_it_fits, free_guests),
		cmocka_unit_test_teardown(migrate__cancelled_at_any_time__goes_on_here, free_guests),
		cmocka_unit_test_teardown(migrate__other_shape__refused_before_memory, free_guests),
		cmocka_unit_test_teardown(migrate__state_that_cannot_be_loaded__refused_before_memory, free_guests),
		cmocka_unit_test_teardown(migrate__last_nested_state_is_refused__goes_on_here, free_guests),
		cmocka_unit_test_teardown(migrate__kvm_refuses_the_last_state__goes_on_here, free_guests),
		cmocka_unit_test_teardown(migrate__link_cut_at_any_byte__guest_is_in_one_place, free_guests),
		cmocka_unit_test_teardown(migrate__altered_at_any_byte__is_refused, free_guests),
		cmocka_unit_test_teardown(migrate__link_cut_at_each_message__guest_is_in_one_place, free_guests),
		cmocka_unit_test_teardown(migrate__each_message_altered__is_refused, free_guests),
		cmocka_unit_test_teardown(migrate__cancelled_at_each_message__goes_on_here, free_guests),
		cmocka_unit_test_teardown(migrate__answer_to_go_trickles__is_not_waited_for, free_guests),
		cmocka_unit_test_teardown(migrate__guest_ends_meanwhile__says_so, free_guests),
	};

	traveller_begin(argc > 1 ? argv[1] : "");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
