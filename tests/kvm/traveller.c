/* SPDX-License-Identifier: MIT */
#include "traveller.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct vmm_bytes image;

static void skip_without_kvm(void)
{
	struct gabi_host *host = NULL;
	struct gabi_diag diag = { 0 };

	if (gabi_kvm_probe(NULL, NULL, &host, &diag)) {
		printf("skipped: %s: %s\n", diag.where, diag.text);
		exit(77);
	}
	gabi_host_free(host);
}

void traveller_begin(const char *path)
{
	FILE *file = fopen(path, "rbe");
	unsigned char *at = malloc(1 << 20);

	if (!file || !at)
		exit(1);
	image = (struct vmm_bytes){ at, fread(at, 1, 1 << 20, file) };
	fclose(file);
	skip_without_kvm();
}

enum kind { WITH_GUEST, EMPTY, INCOMING };

static void make(struct traveller *traveller, bool hyperv, unsigned cpus, enum kind kind)
{
	static char append[128];
	const struct vmm_wishes wishes = { .cpus = cpus, .hyperv = hyperv, .forced = true };
	int in[2], out[2];

	*traveller = (struct traveller){ .hyperv = hyperv };
	assert_int_equal(pipe2(in, O_CLOEXEC) | pipe2(out, O_CLOEXEC), 0);
	snprintf(append, sizeof(append), "cpus=%u pages=512 every=64 hyperv=%d deadline=%d", cpus, hyperv, cpus == 1 && !hyperv);
	assert_int_equal(vmm_terms_settle(&traveller->terms, NULL, &wishes, &traveller->diag), 0);
	traveller->options = (struct vmm_options){
		.terms = &traveller->terms, .append = append, .memory = 32 << 20, .cpus = cpus, .hyperv = hyperv, .forced = true,
		.in = in[0], .out = out[1],
	};
	if (kind == WITH_GUEST)
		traveller->options.image = image;
	traveller->options.incoming = kind == INCOMING;
	traveller->to_guest = in[1];
	traveller->from_guest = out[0];
	if (vmm_new(&traveller->options, &traveller->monitor, &traveller->diag))
		fail_msg("the monitor cannot be made: %s", traveller->diag.text);
}

void traveller_new(struct traveller *traveller, bool hyperv, unsigned cpus, bool empty)
{
	make(traveller, hyperv, cpus, empty ? EMPTY : WITH_GUEST);
}

void traveller_new_incoming(struct traveller *traveller, bool hyperv, unsigned cpus)
{
	make(traveller, hyperv, cpus, INCOMING);
}

static void *run(void *ctx)
{
	struct traveller *traveller = ctx;

	traveller->err = vmm_run(traveller->monitor, &traveller->result, &traveller->diag);
	return NULL;
}

void traveller_run(struct traveller *traveller)
{
	assert_int_equal(pthread_create(&traveller->thread, NULL, run, traveller), 0);
	traveller->runs = true;
}

static void hear(struct traveller *traveller)
{
	size_t room = sizeof(traveller->said) - 1 - traveller->said_len;
	ssize_t len = read(traveller->from_guest, traveller->said + traveller->said_len, room);

	if (len <= 0)
		fail_msg("the guest says nothing more: %s", traveller->said);
	traveller->said_len += (size_t)len;
}

void traveller_wait(struct traveller *traveller, const char *text, unsigned times)
{
	size_t from = traveller->said_len;

	while (times) {
		const char *at = strstr(traveller->said + from, text);

		if (at) {
			from = (size_t)(at - traveller->said) + strlen(text);
			times--;
		} else if (strstr(traveller->said, "not ok")) {
			fail_msg("the guest noticed: %s", strstr(traveller->said, "not ok"));
		} else {
			hear(traveller);
		}
	}
}

unsigned traveller_end(struct traveller *traveller)
{
	assert_int_equal(write(traveller->to_guest, "q", 1), 1);
	traveller_wait(traveller, "checks, ", 1);
	pthread_join(traveller->thread, NULL);
	traveller->runs = false;
	assert_int_equal(traveller->err, 0);
	if (traveller->result.end != VMM_END_EXIT || traveller->result.value)
		print_message("%s\n%s\n", traveller->result.text, traveller->said);
	return traveller->result.end == VMM_END_EXIT ? traveller->result.value : 255;
}

void traveller_stop(struct traveller *traveller)
{
	if (traveller->monitor && traveller->runs) {
		vmm_quit(traveller->monitor, "the test has ended");
		pthread_join(traveller->thread, NULL);
	}
	vmm_free(traveller->monitor);
	vmm_terms_free(&traveller->terms);
	close(traveller->to_guest);
	close(traveller->from_guest);
	close(traveller->options.in);
	close(traveller->options.out);
}
