/* SPDX-License-Identifier: MIT */
/*
 * An idle guest of 1 GiB moves from one monitor to another on this machine's own KVM, over a Unix socket: how long it stands still,
 * and how long the whole takes. Beside each what a socket takes for as many bytes, in the same run. On the wall.
 */
#include "bench.h"

#include "vmm/migrate.h"

#include <gabi/kvm.h>

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { ROUNDS = 5, IMAGE_MAX = 1 << 20, PIECE = 1 << 20, MEMORY = 1 << 30, POOL_GPA = 16 << 20, POOL = MEMORY - POOL_GPA };

enum fill { CLEAR, TEXT, NOISE };

static struct vmm_bytes image;

static void must(int err, const struct gabi_diag *diag)
{
	if (!err)
		return;
	fprintf(stderr, "bench_move: %s\n", diag->text);
	exit(4);
}

/* ---- a guest, on one side ---- */

struct side {
	struct vmm_terms terms;
	struct vmm_options options;
	struct vmm_monitor *monitor;
	struct vmm_incoming incoming;
	pthread_t thread;
	int said; /* what it says comes out here */
	int socket;
};

static void *run(void *ctx)
{
	struct side *side = ctx;
	struct vmm_result result;
	struct gabi_diag diag = { 0 };

	must(vmm_run(side->monitor, &result, &diag), &diag);
	return NULL;
}

static void make(struct side *side, bool incoming)
{
	const struct vmm_wishes wishes = { .cpus = 1, .forced = true };
	struct gabi_diag diag = { 0 };
	int out[2];

	if (pipe2(out, O_CLOEXEC))
		exit(4);
	*side = (struct side){ .said = out[0] };
	must(vmm_terms_settle(&side->terms, NULL, &wishes, &diag), &diag);
	side->options = (struct vmm_options){
		.terms = &side->terms, .memory = MEMORY, .cpus = 1, .forced = true, .in = -1, .out = out[1],
		.incoming = incoming,
	};
	if (!incoming)
		side->options.image = image;
	must(vmm_new(&side->options, &side->monitor, &diag), &diag);
}

static void end(struct side *side)
{
	vmm_quit(side->monitor, "the benchmark has ended");
	pthread_join(side->thread, NULL);
	vmm_free(side->monitor);
	vmm_terms_free(&side->terms);
	close(side->said);
	close(side->options.out);
}

/* In the guest's place, for a KVM that is software takes minutes for that. Without noise a page is some words that differ among
 * the same ones, as most memory is. */
static void write_memory(const struct side *side, bool noise)
{
	uint64_t *at = gabi_kvm_machine_ram(vmm_machine(side->monitor), POOL_GPA, POOL);
	uint64_t seed = 1;

	for (uint64_t i = 0; i < POOL / sizeof(*at); i++) {
		seed ^= seed << 13;
		seed ^= seed >> 7;
		seed ^= seed << 17;
		at[i] = noise || i % 8 == 0 ? seed : 0x20202020;
	}
}

static void start(struct side *side)
{
	if (pthread_create(&side->thread, NULL, run, side))
		exit(4);
}

static void wait_until_idle(const struct side *side)
{
	char byte = 0;

	while (read(side->said, &byte, 1) == 1 && byte != '\n')
		;
}

static void *receive(void *ctx)
{
	struct side *side = ctx;
	struct gabi_diag diag = { 0 };

	must(vmm_incoming_open(&side->incoming, side->socket, 0, &diag), &diag);
	must(vmm_incoming_start(&side->incoming, side->monitor, &diag), &diag);
	start(side);
	must(vmm_incoming_wait(&side->incoming, &diag), &diag);
	vmm_incoming_close(&side->incoming);
	return NULL;
}

static struct vmm_migrated move(struct side *from, struct side *to)
{
	struct vmm_migrate_options options = { 0 };
	struct vmm_migrated moved;
	struct gabi_diag diag = { 0 };
	pthread_t thread;
	int link[2];

	make(to, true);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, link))
		exit(4);
	to->socket = link[1];
	options.socket = link[0];
	if (pthread_create(&thread, NULL, receive, to))
		exit(4);
	must(vmm_migrate(from->monitor, &options, &moved, &diag), &diag);
	pthread_join(thread, NULL);
	close(link[0]);
	close(link[1]);
	end(from);
	return moved;
}

/* ---- the peer: as many bytes through a socket, into memory that is there ---- */

static void *drain(void *ctx)
{
	unsigned char *to = malloc(PIECE);

	while (to && recv(*(const int *)ctx, to, PIECE, MSG_WAITALL) > 0)
		;
	free(to);
	return NULL;
}

static double socket_ns(uint64_t bytes)
{
	unsigned char *from = malloc(PIECE);
	uint64_t begin;
	pthread_t thread;
	int link[2];

	if (!from || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, link))
		exit(4);
	memset(from, 1, PIECE);
	begin = bench_wall_ns();
	if (pthread_create(&thread, NULL, drain, &link[1]))
		exit(4);
	while (bytes) {
		ssize_t sent = send(link[0], from, bytes < PIECE ? bytes : PIECE, 0);

		if (sent < 0)
			exit(4);
		bytes -= (uint64_t)sent;
	}
	shutdown(link[0], SHUT_WR);
	pthread_join(thread, NULL);
	begin = bench_wall_ns() - begin;
	close(link[0]);
	close(link[1]);
	free(from);
	return (double)begin;
}

static double best_socket_ns(uint64_t bytes)
{
	double best = socket_ns(bytes);

	for (unsigned i = 1; i < ROUNDS; i++) {
		double took = socket_ns(bytes);

		best = took < best ? took : best;
	}
	return best;
}

/* ---- the cases ---- */

static void print(const char *what, const char *name, uint64_t bytes, uint64_t us, uint64_t peer_bytes)
{
	char text[96];

	snprintf(text, sizeof(text), "%s, %s", what, name);
	bench_print(&(struct bench_line){ .bench = "move", .name = text, .n = bytes, .ns_per_op = (double)us * 1000, .data = "n: bytes sent",
					  .peer = peer_bytes == bytes ? "as many bytes through a socket" : "its memory through a socket",
					  .peer_ns = best_socket_ns(peer_bytes) });
}

/* There and back again: the best, and the longest that it stood still. */
static void bench(const char *name, enum fill fill)
{
	struct vmm_migrated best = { 0 };
	uint64_t longest_us = 0;
	struct side sides[2];

	make(&sides[0], false);
	if (fill != CLEAR)
		write_memory(&sides[0], fill == NOISE);
	start(&sides[0]);
	wait_until_idle(&sides[0]);
	for (unsigned i = 0; i < ROUNDS; i++) {
		const struct vmm_migrated moved = move(&sides[i % 2], &sides[(i + 1) % 2]);

		longest_us = moved.downtime_us > longest_us ? moved.downtime_us : longest_us;
		if (!i || moved.downtime_us < best.downtime_us) {
			best.downtime_us = moved.downtime_us;
			best.downtime_bytes = moved.downtime_bytes;
		}
		if (!i || moved.total_us < best.total_us) {
			best.total_us = moved.total_us;
			best.bytes = moved.bytes;
		}
	}
	end(&sides[ROUNDS % 2]);
	print("it stands still", name, best.downtime_bytes, best.downtime_us, best.downtime_bytes);
	print("it stands still, the longest", name, best.downtime_bytes, longest_us, best.downtime_bytes);
	print("all of it", name, best.bytes, best.total_us, fill == CLEAR ? best.bytes : POOL);
}

int main(int argc, char **argv)
{
	static unsigned char bytes[IMAGE_MAX];
	FILE *file = argc > 1 ? fopen(argv[1], "rbe") : NULL;
	struct gabi_host *host = NULL;
	struct gabi_diag diag = { 0 };

	if (!file)
		return 2;
	image = (struct vmm_bytes){ bytes, fread(bytes, 1, sizeof(bytes), file) };
	fclose(file);
	if (gabi_kvm_probe(NULL, NULL, &host, &diag)) {
		printf("skipped: %s: %s\n", diag.where, diag.text);
		return 77;
	}
	gabi_host_free(host);
	bench("1 GiB, clear", CLEAR);
	bench("1 GiB, all of it written", TEXT);
	bench("1 GiB, all of it written with what cannot be packed", NOISE);
	return 0;
}
