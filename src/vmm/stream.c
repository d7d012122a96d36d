/* SPDX-License-Identifier: MIT */
#include "stream.h"

#include "base/base.h"
#include "boot.h"

#include <stdlib.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

enum { BEGIN_LEN = 16, HEAD_LEN = 24, SUM_AT = 16, GROWTH = 4 << 20 };

static const char magic[8] = "gabi-vm\n";

void vmm_stream_close(struct vmm_stream *stream)
{
	free(stream->in);
	stream->in = NULL;
	stream->in_cap = 0;
}

int vmm_stream_damaged(const struct vmm_stream *stream, struct gabi_diag *diag, const char *why)
{
	char at[24];
	struct gabi_out out = gabi_out_to(at, sizeof(at));

	gabi_out_dec(&out, stream->in_bytes);
	return gabi_fail(diag, GABI_ERR_SYNTAX, "the stream is damaged before byte ", at, ": ", why, (char *)NULL);
}

static int send(struct vmm_stream *stream, const void *bytes, size_t len, struct gabi_diag *diag)
{
	int err = len ? stream->pipe.write(stream->pipe.ctx, bytes, len, diag) : 0;

	stream->out_bytes += err ? 0 : len;
	return err;
}

static int receive(struct vmm_stream *stream, void *to, size_t len, struct gabi_diag *diag)
{
	int err = len ? stream->pipe.read(stream->pipe.ctx, to, len, diag) : 0;

	stream->in_bytes += err ? 0 : len;
	return err;
}

/* ---- the beginning ---- */

int vmm_stream_begin(struct vmm_stream *stream, struct gabi_diag *diag)
{
	unsigned char begin[BEGIN_LEN] = { 0 };

	memcpy(begin, magic, sizeof(magic));
	vmm_put(begin + 8, 4, VMM_STREAM_VERSION);
	return send(stream, begin, sizeof(begin), diag);
}

int vmm_stream_expect_begin(struct vmm_stream *stream, struct gabi_diag *diag)
{
	unsigned char begin[BEGIN_LEN];
	char version[24];
	struct gabi_out out = gabi_out_to(version, sizeof(version));
	int err = receive(stream, begin, sizeof(begin), diag);

	if (err)
		return err;
	if (memcmp(begin, magic, sizeof(magic)) || vmm_get(begin + 12, 4) || !vmm_get(begin + 8, 4))
		return gabi_fail(diag, GABI_ERR_SYNTAX, "is not a guest that was saved by gabi", (char *)NULL);
	gabi_out_dec(&out, vmm_get(begin + 8, 4));
	if (vmm_get(begin + 8, 4) > VMM_STREAM_VERSION)
		return gabi_fail(diag, GABI_ERR_VERSION, "is of version ", version, ", and this gabi knows version 1: a later one is needed",
				 (char *)NULL);
	return 0;
}

/* ---- records ---- */

static uint64_t sum_of(const unsigned char head[SUM_AT], uint64_t number, const void *bytes, size_t len)
{
	unsigned char what[SUM_AT + 16];

	memcpy(what, head, SUM_AT);
	vmm_put(what + SUM_AT, 8, number);
	vmm_put(what + SUM_AT + 8, 8, XXH3_64bits(bytes, len));
	return XXH3_64bits(what, sizeof(what));
}

int vmm_record_write(struct vmm_stream *stream, enum vmm_record kind, const void *bytes, size_t len, struct gabi_diag *diag)
{
	unsigned char head[HEAD_LEN] = { 0 };
	int err;

	if (len > VMM_STREAM_MAX)
		return gabi_fail(diag, GABI_ERR_LIMIT, "a part of the guest's state is larger than a record may be", (char *)NULL);
	vmm_put(head, 4, kind);
	vmm_put(head + 8, 8, len);
	vmm_put(head + SUM_AT, 8, sum_of(head, stream->out_records++, bytes, len));
	err = send(stream, head, sizeof(head), diag);
	return err ? err : send(stream, bytes, len, diag);
}

/* What a head claims is believed piece by piece, as the bytes come. */
static int receive_bytes(struct vmm_stream *stream, size_t len, struct gabi_diag *diag)
{
	int err = 0;

	for (size_t done = 0; !err && done < len;) {
		size_t part = len - done < GROWTH ? len - done : GROWTH;
		unsigned char *grown = done + part > stream->in_cap ? realloc(stream->in, done + part) : stream->in;

		if (!grown)
			return gabi_fail(diag, GABI_ERR_NOMEM, "out of memory", (char *)NULL);
		stream->in = grown;
		stream->in_cap = done + part > stream->in_cap ? done + part : stream->in_cap;
		err = receive(stream, stream->in + done, part, diag);
		done += part;
	}
	return err;
}

/* A sentence from elsewhere: it is shown to people. */
static int refused(const struct vmm_stream *stream, size_t len, struct gabi_diag *diag)
{
	char text[sizeof(diag->text)];
	struct gabi_out out = gabi_out_to(text, sizeof(text));

	for (size_t i = 0; i < len; i++)
		gabi_out_char(&out, stream->in[i] < ' ' || stream->in[i] > '~' ? '?' : (char)stream->in[i]);
	return gabi_fail(diag, GABI_ERR_CONFLICT, "the other side says: ", text, (char *)NULL);
}

int vmm_record_read(struct vmm_stream *stream, struct vmm_record_in *record, struct gabi_diag *diag)
{
	unsigned char head[HEAD_LEN];
	uint64_t kind, len;
	int err = receive(stream, head, sizeof(head), diag);

	if (err)
		return err;
	kind = vmm_get(head, 4);
	len = vmm_get(head + 8, 8);
	if (!kind || kind >= VMM_RECORD_COUNT || vmm_get(head + 4, 4) || len > VMM_STREAM_MAX)
		return vmm_stream_damaged(stream, diag, "there is no such record");
	err = receive_bytes(stream, (size_t)len, diag);
	if (err)
		return err;
	if (vmm_get(head + SUM_AT, 8) != sum_of(head, stream->in_records++, stream->in, (size_t)len))
		return vmm_stream_damaged(stream, diag, "a record's sum is not right");
	if (kind == VMM_RECORD_REFUSED)
		return refused(stream, (size_t)len, diag);
	*record = (struct vmm_record_in){ (enum vmm_record)kind, stream->in, (size_t)len };
	return 0;
}

int vmm_record_expect(struct vmm_stream *stream, enum vmm_record kind, struct vmm_record_in *record, struct gabi_diag *diag)
{
	int err = vmm_record_read(stream, record, diag);

	return err || record->kind == kind ? err : vmm_stream_damaged(stream, diag, "a record is not in its place");
}
