/* SPDX-License-Identifier: MIT */
/*
 * A guest as a stream of records, in a file or on its way to another host. A record says what it is and how long, and has a sum over
 * that, over its place in the stream and over its bytes, so that nothing that was altered, cut out or put in goes unseen. Sums find
 * damage; where somebody may want to do harm, TLS is used.
 *
 *     "gabi-vm\n", u32 version, u32 0                      once, at the beginning
 *     u32 kind, u32 0, u64 length, u64 sum, bytes          a record; numbers are little endian
 */
#ifndef GABI_VMM_STREAM_H
#define GABI_VMM_STREAM_H

#include <gabi/err.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define VMM_STREAM_VERSION 1u         /* the newest that this version writes and reads */
#define VMM_STREAM_MAX     (64u << 20) /* the longest record */

enum vmm_record {
	VMM_RECORD_MACHINE = 1, /* its shape: struct vmm_shape */
	VMM_RECORD_CONTRACT,    /* the text of its file */
	VMM_RECORD_PAGES,       /* memory.h */
	VMM_RECORD_STATE,       /* u32 VTL, then the stream of docs/state.md */
	VMM_RECORD_DEVICES,     /* vmm_walk */
	VMM_RECORD_HYPERV,      /* vmm_hyperv_save */
	VMM_RECORD_END,         /* nothing more comes */
	/* Only between hosts (migrate.h): */
	VMM_RECORD_REHEARSAL,   /* as STATE: could you load something like this? */
	VMM_RECORD_ROUND,       /* all pages of a round were sent; and the answer: they are there */
	VMM_RECORD_READY,       /* the other side's answer: memory may come */
	VMM_RECORD_REFUSED,     /* its answer or its failure, with a sentence */
	VMM_RECORD_RESTORED,    /* all of it is loaded there */
	VMM_RECORD_GO,          /* it is yours */
	VMM_RECORD_RUNNING,     /* it runs */
	VMM_RECORD_COUNT
};

/* Where the bytes go or come from. Both move all of them or fail: GABI_ERR_IO, and a sentence. */
struct vmm_pipe {
	int (*write)(void *ctx, const void *bytes, size_t len, struct gabi_diag *diag);
	int (*read)(void *ctx, void *to, size_t len, struct gabi_diag *diag);
	void *ctx;
};

struct vmm_stream {
	struct vmm_pipe pipe;
	uint64_t out_bytes, in_bytes; /* so far */
	uint64_t out_records, in_records;
	unsigned char *in; /* the record that was read last */
	size_t in_cap;
};

struct vmm_record_in {
	enum vmm_record kind;
	const unsigned char *bytes; /* until the next read */
	size_t len;
};

void vmm_stream_close(struct vmm_stream *stream); /* frees what it holds; the pipe is the caller's */

int vmm_stream_begin(struct vmm_stream *stream, struct gabi_diag *diag);       /* writes the beginning */
int vmm_stream_expect_begin(struct vmm_stream *stream, struct gabi_diag *diag); /* reads it */

int vmm_record_write(struct vmm_stream *stream, enum vmm_record kind, const void *bytes, size_t len, struct gabi_diag *diag);

/* GABI_ERR_SYNTAX: it is damaged. A REFUSED is never handed out: its sentence becomes the diagnosis, GABI_ERR_CONFLICT. */
int vmm_record_read(struct vmm_stream *stream, struct vmm_record_in *record, struct gabi_diag *diag);

/* Of that kind, and none else: GABI_ERR_SYNTAX. */
int vmm_record_expect(struct vmm_stream *stream, enum vmm_record kind, struct vmm_record_in *record, struct gabi_diag *diag);

/* "byte 123 of the stream", for sentences about what was read last. */
int vmm_stream_damaged(const struct vmm_stream *stream, struct gabi_diag *diag, const char *why);

#endif
