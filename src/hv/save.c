/* SPDX-License-Identifier: MIT */
/*
 * The saved stream: a head, sections, a checksum; all numbers little-endian. One walk over the state serves both directions, so
 * that what is written and what is read cannot differ.
 */
#include <gabi/hv_save.h>

#include "hv.h"

enum { MAGIC = 0x56484247, SECTION_PARTITION = 1, SECTION_VP, SECTION_PAGES, SECTION_PROTECT, SECTION_CONNECT };
enum { HEAD = 96, CHECKSUM = 8, ENABLE = 1 };

struct stream {
	struct gabi_hv *hv;
	bool load, bad;
	uint32_t version;
	uint8_t *to;         /* saving: cap bytes; counts on beyond them */
	const uint8_t *from; /* loading: cap bytes */
	size_t cap, at;
};

/* ---- XXH64, by the specification of xxHash: fast, and it sees damage ---- */

static const uint64_t primes[] = { 0x9e3779b185ebca87u, 0xc2b2ae3d27d4eb4fu, 0x165667b19e3779f9u, 0x85ebca77c2b2ae63u, 0x27d4eb2f165667c5u };

static uint64_t rotate(uint64_t value, unsigned by)
{
	return value << by | value >> (64 - by);
}

static uint64_t mix(uint64_t lane, uint64_t word)
{
	return rotate(lane + word * primes[1], 31) * primes[0];
}

static uint64_t merge(uint64_t hash, uint64_t lane)
{
	return (hash ^ mix(0, lane)) * primes[0] + primes[3];
}

uint64_t gabi_hv_checksum(const uint8_t *at, size_t len)
{
	uint64_t lane[4] = { primes[0] + primes[1], primes[1], 0, 0 - primes[0] }, hash = primes[4];
	size_t left = len;

	for (; left >= 32; left -= 32, at += 32)
		for (unsigned i = 0; i < 4; i++)
			lane[i] = mix(lane[i], get64(at + i * 8));
	if (len >= 32) {
		hash = rotate(lane[0], 1) + rotate(lane[1], 7) + rotate(lane[2], 12) + rotate(lane[3], 18);
		for (unsigned i = 0; i < 4; i++)
			hash = merge(hash, lane[i]);
	}
	hash += len;
	for (; left >= 8; left -= 8, at += 8)
		hash = rotate(hash ^ mix(0, get64(at)), 27) * primes[0] + primes[3];
	for (; left >= 4; left -= 4, at += 4)
		hash = rotate(hash ^ get32(at) * primes[0], 23) * primes[1] + primes[2];
	for (; left; left--, at++)
		hash = rotate(hash ^ *at * primes[4], 11) * primes[0];
	hash = (hash ^ hash >> 33) * primes[1];
	hash = (hash ^ hash >> 29) * primes[2];
	return hash ^ hash >> 32;
}

/* ---- fields ---- */

static void bytes(struct stream *s, void *at, size_t len)
{
	if (s->load && (s->bad || len > s->cap - s->at)) {
		s->bad = true;
		memset(at, 0, len);
		return;
	}
	if (s->load)
		memcpy(at, s->from + s->at, len);
	else if (len <= s->cap && s->at <= s->cap - len)
		memcpy(s->to + s->at, at, len);
	s->at += len;
}

static void u64(struct stream *s, uint64_t *value)
{
	uint8_t at[8];

	put64(at, *value);
	bytes(s, at, 8);
	*value = get64(at);
}

/* A number that is not a uint64_t: what does not fit its type is damage. */
#define NUMBER(s, field, type)                                   \
	do {                                                     \
		uint64_t held = (uint64_t)(field);               \
		u64(s, &held);                                   \
		if ((s)->load) {                                 \
			(s)->bad |= held > (uint64_t)(type)~0ull; \
			(field) = (type)held;                    \
		}                                                \
	} while (0)

static void need(struct stream *s, bool holds)
{
	s->bad |= s->load && !holds;
}

static void section(struct stream *s, uint64_t kind, uint64_t index)
{
	uint64_t want_kind = kind, want_index = index;

	u64(s, &kind);
	u64(s, &index);
	need(s, kind == want_kind && index == want_index);
}

/* ---- parts ---- */

static void common(struct stream *s, unsigned vtl)
{
	struct vtl_common *c = &s->hv->common[vtl];

	NUMBER(s, c->os_id, uint64_t);
	u64(s, &c->hypercall);
	u64(s, &c->ref_tsc);
	NUMBER(s, c->config, uint64_t);
	need(s, gabi_hv_valid_config(s->hv, c->config));
	NUMBER(s, c->protectors, uint16_t);
	need(s, !(c->protectors & (uint32_t)gabi_mask(vtl + 1)) && !(c->protectors >> s->hv->vtl_count));
	NUMBER(s, c->installed, uint32_t);
	need(s, c->installed <= INSTALLED);
	for (uint32_t i = 0; !s->bad && i < c->installed; i++) {
		struct gabi_hv_installed *one = &c->intercept[i];

		/* Version 1 knew I/O ports alone. */
		if (s->version >= 2)
			NUMBER(s, one->type, uint8_t);
		else
			one->type = GABI_HV_INTERCEPT_IO_PORT_RANGE;
		NUMBER(s, one->first, uint32_t);
		NUMBER(s, one->last, uint32_t);
		NUMBER(s, one->access, uint8_t);
		need(s, gabi_hv_valid_installed(one));
	}
}

static void partition(struct stream *s)
{
	struct gabi_hv *hv = s->hv;

	section(s, SECTION_PARTITION, 0);
	NUMBER(s, hv->enabled, uint16_t);
	NUMBER(s, hv->mbec, uint16_t);
	need(s, hv->enabled & 1 && !(hv->enabled >> hv->vtl_count) && !(hv->mbec & ~(hv->enabled & hv->mbec_vtls)));
	for (unsigned i = 0; i < 5; i++)
		u64(s, &hv->crash[i]);
	u64(s, &hv->reenlightenment);
	u64(s, &hv->tsc_emulation);
	u64(s, &hv->tsc_emulation_status);
	u64(s, &hv->tsc_invariant);
	need(s, hv->tsc_invariant <= 1);
	u64(s, &hv->tsc_hz);
	need(s, hv->tsc_hz != 0);
	NUMBER(s, hv->tsc_offset, int64_t);
	NUMBER(s, hv->tsc_sequence, uint32_t);
	NUMBER(s, hv->tsc_last, uint32_t);
	NUMBER(s, hv->ram_count, uint32_t);
	need(s, hv->ram_count <= RAM_RANGES);
	for (uint32_t i = 0; !s->bad && i < hv->ram_count; i++) {
		u64(s, &hv->ram[i].first);
		NUMBER(s, hv->ram[i].end, uint64_t);
		need(s, hv->ram[i].first < hv->ram[i].end && hv->ram[i].end <= hv->gpa_pages);
	}
	for (unsigned vtl = 0; vtl < hv->vtl_count; vtl++)
		common(s, vtl);
	for (unsigned bank = 0; bank * 64 < hv->vp_count; bank++) {
		uint64_t waiting = hv->waiting.valid >> bank & 1 ? hv->waiting.bank[bank] : 0;

		u64(s, &waiting);
		need(s, !(waiting & ~gabi_mask(hv->vp_count - bank * 64)));
		hv->waiting.bank[bank] = waiting;
		hv->waiting.valid = (hv->waiting.valid & ~((uint64_t)1 << bank)) | (uint64_t)(waiting != 0) << bank;
	}
}

static void timer(struct stream *s, struct stimer *timer)
{
	u64(s, &timer->config);
	u64(s, &timer->count);
	u64(s, &timer->due);
	u64(s, &timer->expired);
	NUMBER(s, timer->waits, bool);
	need(s, gabi_hv_valid_stimer(s->hv, timer));
}

/* Queues as their messages in order; which buffer held them is nobody's business. */
static void queues(struct stream *s, struct synic *synic)
{
	for (unsigned sint = 0; sint < GABI_HV_SINTS && !s->bad; sint++) {
		uint8_t at = s->load ? NO_BUFFER : synic->head[sint];
		uint32_t count = 0;

		for (uint8_t i = at; i != NO_BUFFER; i = synic->buffer[i].next)
			count++;
		NUMBER(s, count, uint32_t);
		need(s, count <= BUFFERS);
		for (; count && !s->bad; count--) {
			struct buffer *buffer;

			if (s->load) {
				at = synic->free;
				need(s, at != NO_BUFFER);
				if (s->bad)
					return;
				synic->free = synic->buffer[at].next;
				synic->buffer[at].next = NO_BUFFER;
				if (synic->tail[sint] == NO_BUFFER)
					synic->head[sint] = at;
				else
					synic->buffer[synic->tail[sint]].next = at;
				synic->tail[sint] = at;
			}
			buffer = &synic->buffer[at];
			NUMBER(s, buffer->type, uint32_t);
			u64(s, &buffer->origin);
			NUMBER(s, buffer->len, uint8_t);
			need(s, buffer->type && buffer->len <= GABI_HV_MESSAGE_MAX);
			if (!s->bad)
				bytes(s, buffer->payload, buffer->len);
			at = buffer->next;
		}
	}
}

static void trust_level(struct stream *s, const struct vp *vp, struct vtl *vtl, unsigned level)
{
	struct synic *synic = &vtl->synic;

	NUMBER(s, vtl->assist, uint64_t);
	u64(s, &vtl->npiep);
	NUMBER(s, vtl->vina, uint64_t);
	NUMBER(s, vtl->traps, uint64_t);
	need(s, vtl->npiep <= 15 && !(vtl->traps & ~gabi_hv_known_traps(s->hv)));
	for (unsigned i = 0; i < 3; i++)
		NUMBER(s, vtl->trap_mask[i], uint64_t);
	for (unsigned lower = 0; lower < level; lower++) {
		NUMBER(s, vtl->secure_config[lower], uint8_t);
		need(s, vtl->secure_config[lower] <= (SECURE_MBEC | SECURE_TLB_LOCKED));
		need(s, !(vtl->secure_config[lower] & SECURE_MBEC) || s->hv->mbec >> level & 1);
		/* Streams were written in which locks that a translation took had not come into the register. */
		if (s->load)
			vtl->secure_config[lower] = (uint8_t)((vtl->secure_config[lower] & SECURE_MBEC) |
							      (vp->locked[level] >> lower & 1 ? SECURE_TLB_LOCKED : 0));
	}
	u64(s, &synic->scontrol);
	u64(s, &synic->siefp);
	u64(s, &synic->simp);
	for (unsigned i = 0; i < GABI_HV_SINTS; i++) {
		u64(s, &synic->sint[i]);
		need(s, gabi_hv_valid_sint(synic->sint[i]));
	}
	for (unsigned i = 0; i < GABI_HV_STIMERS; i++)
		timer(s, &synic->timer[i]);
	queues(s, synic);
}

static void virtual_processor(struct stream *s, struct vp *vp)
{
	unsigned vtls = s->hv->vtl_count;

	section(s, SECTION_VP, vp->index);
	NUMBER(s, vp->active, uint8_t);
	NUMBER(s, vp->enabled, uint16_t);
	NUMBER(s, vp->started, uint8_t);
	NUMBER(s, vp->pending, uint16_t);
	NUMBER(s, vp->waits_for, uint16_t);
	u64(s, &vp->timer_at);
	need(s, vp->enabled & 1 && !(vp->enabled & ~s->hv->enabled) && vp->active < vtls && vp->enabled >> vp->active & 1);
	need(s, !(vp->pending >> vtls) && !(vp->waits_for >> vtls) && vp->started <= 1);
	for (unsigned holder = 1; holder < vtls; holder++) {
		NUMBER(s, vp->locked[holder], uint16_t);
		need(s, !(vp->locked[holder] & ~gabi_mask(holder)));
	}
	for (unsigned vtl = 0; vtl < vtls && !s->bad; vtl++)
		trust_level(s, vp, &vp->vtl[vtl], vtl);
}

/* Overlay pages that are not all zero, of those that the guest can write. */
static bool is_zero(const uint8_t *page)
{
	uint64_t any = 0;

	for (unsigned i = 0; i < GABI_HV_PAGE && !any; i += 64)
		for (unsigned j = 0; j < 64; j += 8)
			any |= get64(page + i + j);
	return !any;
}

static void pages(struct stream *s)
{
	const struct gabi_hv *hv = s->hv;

	section(s, SECTION_PAGES, 0);
	for (uint32_t vp = 0; vp < hv->vp_count && !s->bad; vp++) {
		for (unsigned vtl = 0; vtl < hv->vtl_count && !s->bad; vtl++) {
			uint8_t which = 0;

			for (unsigned i = 0; !s->load && i < PAGES_OF_VP; i++)
				which |= (uint8_t)(!is_zero(page_at(hv, PAGE_ASSIST + i, vp, vtl)) << i);
			bytes(s, &which, 1);
			need(s, which < 1 << PAGES_OF_VP);
			for (unsigned i = 0; i < PAGES_OF_VP && !s->bad; i++)
				if (which >> i & 1)
					bytes(s, page_at(hv, PAGE_ASSIST + i, vp, vtl), GABI_HV_PAGE);
		}
	}
}

/* One store as its runs. */
static void protections(struct stream *s, unsigned protector, unsigned vtl)
{
	struct protect *store = store_of(s->hv, protector, vtl);
	uint64_t run, value;
	unsigned held = 0;

	section(s, SECTION_PROTECT, protector << 8 | vtl);
	for (uint64_t gfn = 0; gfn < store->pages && !s->bad; gfn += run) {
		run = 0;
		while (!s->load && gfn + run < store->pages) {
			unsigned next;
			uint64_t more = gabi_hv_protect_run(store, &s->hv->pool, gfn + run, &next);

			if (run && next != held)
				break;
			held = next;
			run += more;
		}
		value = held;
		u64(s, &run);
		u64(s, &value);
		need(s, run && run <= store->pages - gfn && value <= GABI_HV_ALL_ACCESS);
		if (s->load && !s->bad) {
			bool changed;

			need(s, gabi_hv_protect_set(store, &s->hv->pool, gfn, run, (unsigned)value, &changed) == run);
		}
	}
}

static void connections(struct stream *s)
{
	struct gabi_hv *hv = s->hv;
	uint64_t places = hv->connection_places;

	section(s, SECTION_CONNECT, 0);
	u64(s, &places);
	need(s, places == hv->connection_places);
	for (uint32_t i = 0; i < hv->connection_places && !s->bad; i++) {
		NUMBER(s, hv->connection[i].what, uint64_t);
		NUMBER(s, hv->connection[i].flags, uint64_t);
		need(s, gabi_hv_valid_connection(hv, hv->connection[i].what, hv->connection[i].flags));
	}
}

static void walk(struct stream *s)
{
	partition(s);
	for (uint32_t i = 0; i < s->hv->vp_count && !s->bad; i++)
		virtual_processor(s, &s->hv->vp[i]);
	pages(s);
	for (unsigned protector = 1; protector < s->hv->vtl_count && !s->bad; protector++)
		for (unsigned vtl = 0; vtl < protector && !s->bad; vtl++)
			protections(s, protector, vtl);
	connections(s);
}

/* ---- the head ---- */

/* What must be the same at both ends. */
static void put_head(const struct gabi_hv *hv, uint64_t len, uint8_t head[HEAD])
{
	memset(head, 0, HEAD);
	put32(head, MAGIC);
	put32(head + 4, GABI_HV_STREAM_VERSION);
	put64(head + 8, len);
	put32(head + 16, hv->vp_count);
	put32(head + 20, hv->vtl_count);
	put32(head + 24, hv->dialect);
	put32(head + 28, hv->mbec_vtls | (uint32_t)hv->dr6_shared << 16);
	put64(head + 32, hv->partition_id);
	put64(head + 40, hv->gpa_pages);
	memcpy(head + 48, hv->digest, GABI_DIGEST_LEN);
	put64(head + 80, gabi_hv_checksum((const uint8_t *)hv->leaf, sizeof(hv->leaf)));
}

int gabi_hv_save(struct gabi_hv *hv, void *buf, size_t cap, size_t *ret_len)
{
	struct stream s = { .hv = hv, .version = GABI_HV_STREAM_VERSION, .to = buf, .cap = cap, .at = HEAD };

	walk(&s);
	*ret_len = s.at + CHECKSUM;
	if (*ret_len > cap)
		return GABI_ERR_LIMIT;
	put_head(hv, *ret_len, buf);
	put64(s.to + s.at, gabi_hv_checksum(buf, s.at));
	return 0;
}

static int check_head(const struct gabi_hv *hv, const uint8_t *at, size_t len, struct gabi_diag *diag)
{
	uint8_t head[HEAD];

	if (len < HEAD + CHECKSUM || get32(at) != MAGIC)
		return gabi_fail(diag, GABI_ERR_SYNTAX, "this is not a saved Hyper-V partition", (char *)NULL);
	if (get32(at + 4) == 0 || get32(at + 4) > GABI_HV_STREAM_VERSION)
		return gabi_fail(diag, GABI_ERR_VERSION, "the partition was saved by a later version; restore it with that one", (char *)NULL);
	if (get64(at + 8) != len || get64(at + len - CHECKSUM) != gabi_hv_checksum(at, len - CHECKSUM))
		return gabi_fail(diag, GABI_ERR_SYNTAX, "the saved partition is cut off or damaged; save it again", (char *)NULL);
	put_head(hv, len, head);
	if (memcmp(at + 48, head + 48, GABI_DIGEST_LEN))
		return gabi_fail(diag, GABI_ERR_CONFLICT, "the partition was saved under another contract", (char *)NULL);
	if (memcmp(at + 16, head + 16, HEAD - 16))
		return gabi_fail(diag, GABI_ERR_CONFLICT,
				 "the partition was saved with other virtual processors, VTLs, leaves, memory or dialect", (char *)NULL);
	return 0;
}

/* ---- after loading ---- */

static void place(struct gabi_hv *hv, enum page_kind kind, unsigned vp, unsigned vtl, uint64_t msr)
{
	uint64_t gfn = msr / GABI_HV_PAGE;

	hv->overlay[page_number(hv, kind, vp, vtl)] = msr & ENABLE && gfn < hv->gpa_pages ? gfn : NOWHERE;
}

/* What follows from the rest. */
static void derive(struct gabi_hv *hv)
{
	hv->speaking = 0;
	for (unsigned vtl = 0; vtl < hv->vtl_count; vtl++) {
		hv->speaking |= (uint16_t)((hv->common[vtl].os_id != 0) << vtl);
		place(hv, PAGE_HYPERCALL, 0, vtl, hv->common[vtl].hypercall);
		place(hv, PAGE_REF_TSC, 0, vtl, hv->common[vtl].ref_tsc);
	}
	for (uint32_t i = 0; i < hv->vp_count; i++) {
		struct vp *vp = &hv->vp[i];

		for (unsigned vtl = 0; vtl < hv->vtl_count; vtl++) {
			place(hv, PAGE_ASSIST, i, vtl, vp->vtl[vtl].assist);
			place(hv, PAGE_SIMP, i, vtl, vp->vtl[vtl].synic.simp);
			place(hv, PAGE_SIEFP, i, vtl, vp->vtl[vtl].synic.siefp);
			for (unsigned left = vp->locked[vtl]; left; left &= left - 1)
				hv->tlb_locks++;
		}
	}
	gabi_hv_fill_ref_tsc_pages(hv);
}

struct clock {
	uint64_t hz;
	int64_t offset;
	uint32_t sequence, last;
};

/* A walk that came to a bad end leaves nothing behind. The clock is the one thing that starting over leaves alone. */
static void forget(struct gabi_hv *hv, const struct clock *clock)
{
	gabi_hv_start_over(hv);
	hv->tsc_hz = clock->hz;
	hv->tsc_offset = clock->offset;
	hv->tsc_sequence = clock->sequence;
	hv->tsc_last = clock->last;
	hv->ram_count = 0;
	for (uint32_t i = 0; i < hv->connection_places; i++)
		hv->connection[i].what = hv->connection[i].flags = 0;
}

int gabi_hv_do_restore(struct gabi_hv *hv, const void *buf, size_t len, struct gabi_diag *diag)
{
	struct stream s = { .hv = hv, .load = true, .from = buf, .cap = len - CHECKSUM, .at = HEAD };
	const struct clock clock = { hv->tsc_hz, hv->tsc_offset, hv->tsc_sequence, hv->tsc_last };
	int err = check_head(hv, buf, len, diag);

	if (err)
		return err;
	s.version = get32(s.from + 4);
	err = gabi_hv_start_over(hv);
	if (err)
		return gabi_fail(diag, err, "out of memory", (char *)NULL);
	walk(&s);
	if (s.bad || s.at != s.cap) {
		forget(hv, &clock);
		return gabi_fail(diag, GABI_ERR_RANGE, "no partition can be in the state that was saved", (char *)NULL);
	}
	derive(hv);
	return 0;
}

static void resume_overlay(const struct gabi_hv *hv, struct gabi_hv_turn *turn, enum page_kind kind, unsigned vp, unsigned vtl)
{
	unsigned number = page_number(hv, kind, vp, vtl);

	if (hv->overlay[number] != NOWHERE)
		gabi_hv_show_overlay(hv, turn, vtl, hv->overlay[number]);
}

int gabi_hv_do_resume(struct gabi_hv *hv, unsigned index, unsigned vtl, struct gabi_hv_turn *turn)
{
	struct vp *vp;

	if (index >= hv->vp_count || vtl >= hv->vtl_count)
		return GABI_ERR_ARG;
	turn->count = turn->changes = 0;
	vp = &hv->vp[index];
	if (index == 0) {
		resume_overlay(hv, turn, PAGE_HYPERCALL, 0, vtl);
		resume_overlay(hv, turn, PAGE_REF_TSC, 0, vtl);
	}
	for (unsigned i = 0; i < PAGES_OF_VP; i++)
		resume_overlay(hv, turn, PAGE_ASSIST + i, index, vtl);
	act(turn, GABI_HV_ACT_NPIEP, index, vtl)->value = vp->vtl[vtl].npiep;
	act(turn, GABI_HV_ACT_SECURE_CONFIG, index, vtl)->value = gabi_hv_mbec_active(hv, vp, vtl);
	if (vtl)
		return 0;
	act(turn, GABI_HV_ACT_TRAPS, index, vtl);
	act(turn, GABI_HV_ACT_TIMER, index, vtl)->at_100ns = vp->timer_at;
	if (hv->waiting.valid >> index / 64 & 1 && hv->waiting.bank[index / 64] >> index % 64 & 1)
		act(turn, GABI_HV_ACT_HOLD, index, active_vtl(vp));
	return 0;
}
