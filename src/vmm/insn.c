/* SPDX-License-Identifier: MIT */
#include "insn.h"

/*
 * What follows an opcode, a letter each; sizes are in bytes:
 *	. nothing                         m ModRM and what it asks for       c ModRM, which never means memory
 *	b 1   w 2   e 3 (ENTER)           i ModRM, 1   j ModRM, z            q ModRM, 2 behind a prefix (SSE4a)
 *	z 2 or 4, an operand              g, h ModRM, 1 or z where its reg is 0 or 1 (TEST)
 *	n as z, and in 64-bit mode 4      v 2, 4 or 8, an operand            a an address      p a far pointer
 *	x a prefix   s another map        A, B VEX of 2 and 3 bytes, C EVEX, D XOP, where it is not LDS, LES, BOUND or POP
 */
static const char maps[2][256 + 1] = {
	"mmmmbz..mmmmbz.s" "mmmmbz..mmmmbz.." "mmmmbzx.mmmmbzx." "mmmmbzx.mmmmbzx."
	"................" "................" "..Cmxxxxzjbi...." "bbbbbbbbbbbbbbbb"
	"ijiimmmmmmmmmmmD" "..........p....." "aaaa....bz......" "bbbbbbbbvvvvvvvv"
	"iiw.BAije.w..b.." "mmmmbb..mmmmmmmm" "bbbbbbbbnnpb...." "x.xx..gh......mm",
	"mmmm.........m.i" "mmmmmmmmmmmmmmmm" "cccccmcmmmmmmmmm" "........s.s....."
	"mmmmmmmmmmmmmmmm" "mmmmmmmmmmmmmmmm" "mmmmmmmmmmmmmmmm" "iiiimmm.qmmmmmmm"
	"nnnnnnnnnnnnnnnn" "mmmmmmmmmmmmmmmm" "...mimmm...mimmm" "mmmmmmmmmmimmmmm"
	"mmimiiim........" "mmmmmmmmmmmmmmmm" "mmmmmmmmmmmmmmmm" "mmmmmmmmmmmmmmmm",
};

enum { REX_W = 8 };

struct reader {
	const uint8_t *at;
	unsigned count, pos;
	unsigned bits, operand, address; /* of an operand, without REX.W */
	bool wide, sized, repne;         /* REX.W, 66, F2 */
};

/* A byte that is not there is 0; pos goes on. */
static uint8_t next(struct reader *reader)
{
	unsigned at = reader->pos++;

	return at < reader->count ? reader->at[at] : 0;
}

static uint8_t ahead(const struct reader *reader)
{
	return reader->pos < reader->count ? reader->at[reader->pos] : 0;
}

/* ModRM, SIB and displacement; returns ModRM. */
static uint8_t operands(struct reader *reader)
{
	uint8_t modrm = next(reader), mod = modrm >> 6, rm = modrm & 7;

	if (mod == 3)
		return modrm;
	if (reader->address == 16) {
		reader->pos += mod == 2 || (!mod && rm == 6) ? 2 : mod;
		return modrm;
	}
	if (rm == 4)
		rm = next(reader) & 7;
	reader->pos += mod == 2 || (!mod && rm == 5) ? 4 : mod;
	return modrm;
}

/* How many bytes follow that are no ModRM; modrm: what that was, if there is one. */
static unsigned plain(const struct reader *reader, char what, uint8_t modrm)
{
	unsigned operand = reader->operand / 8;

	switch (what) {
	case 'b':
	case 'i':
		return 1;
	case 'w':
		return 2;
	case 'e':
		return 3;
	case 'q':
		return reader->sized || reader->repne ? 2 : 0;
	case 'g':
		return modrm & 0x30 ? 0 : 1;
	case 'h':
		return modrm & 0x30 ? 0 : operand;
	case 'z':
	case 'j':
		return operand;
	case 'n':
		return reader->bits == 64 ? 4 : operand;
	case 'v':
		return reader->wide ? 8 : operand;
	case 'a':
		return reader->address / 8;
	case 'p':
		return operand + 2;
	default:
		return 0;
	}
}

static void follow(struct reader *reader, char what)
{
	uint8_t modrm = 0;

	if (what == 'c')
		reader->pos++;
	else if (what == 'm' || what == 'i' || what == 'j' || what == 'q' || what == 'g' || what == 'h')
		modrm = operands(reader);
	reader->pos += plain(reader, what, modrm);
}

/* The opcode is next, of a map as VEX, EVEX and XOP number them; 1 to 3 are those behind 0F, 0F 38 and 0F 3A. */
static void follow_in(struct reader *reader, unsigned map)
{
	enum { MAP_0F = 1, MAP_0F3A = 3, XOP_8 = 8, XOP_A = 10 };
	uint8_t opcode = next(reader);

	follow(reader, map == MAP_0F ? maps[1][opcode] : map == MAP_0F3A || map == XOP_8 ? 'i' : 'm');
	reader->pos += map == XOP_A ? 4 : 0;
}

/* LES, LDS and BOUND have memory for an operand, and POP has a 0 there. */
static bool is_vector(const struct reader *reader, char what)
{
	return what == 'D' ? (ahead(reader) & 0x1f) >= 8 : what >= 'A' && what <= 'C' && (reader->bits == 64 || ahead(reader) >= 0xc0);
}

static void vector(struct reader *reader, char what)
{
	uint8_t first = next(reader);

	reader->pos += what == 'A' ? 0 : what == 'C' ? 2 : 1;
	follow_in(reader, what == 'A' ? 1 : what == 'C' ? first & 7 : first & 0x1f);
}

static void escape(struct reader *reader)
{
	uint8_t opcode = ahead(reader);

	if (maps[1][opcode] != 's') {
		follow_in(reader, 1);
	} else {
		reader->pos++;
		follow_in(reader, opcode == 0x38 ? 2 : 3);
	}
}

/* Returns the opcode. REX counts only where it stands right before that. */
static uint8_t prefixes(struct reader *reader, bool *ret_rep)
{
	for (;;) {
		uint8_t byte = next(reader);

		if (reader->bits == 64 && (byte & 0xf0) == 0x40) {
			reader->wide = byte & REX_W;
			continue;
		}
		if (maps[0][byte] != 'x')
			return byte;
		reader->wide = false;
		reader->sized |= byte == 0x66;
		reader->repne |= byte == 0xf2;
		*ret_rep |= byte == 0xf2 || byte == 0xf3;
		if (byte == 0x67)
			reader->address = reader->bits == 32 ? 16 : 32;
	}
}

struct vmm_insn vmm_insn(const uint8_t *bytes, unsigned count, unsigned bits)
{
	struct reader reader = { .at = bytes, .count = count < VMM_INSN_MAX ? count : VMM_INSN_MAX, .bits = bits, .address = bits };
	struct vmm_insn insn = { 0 };
	char what;

	insn.opcode = prefixes(&reader, &insn.rep);
	reader.operand = (bits == 16) != (reader.sized && !reader.wide) ? 16 : 32;
	what = maps[0][insn.opcode];
	if (what == 's')
		escape(&reader);
	else if (is_vector(&reader, what))
		vector(&reader, what);
	else
		follow(&reader, what >= 'A' && what <= 'D' ? 'm' : what);
	insn.len = (uint8_t)(reader.pos <= reader.count ? reader.pos : 0);
	return insn;
}
