/* SPDX-License-Identifier: MIT */
/* After the data sheet of National's PC16550D. There is no line: no speed, no parity, and no modem but that of the loopback. */
#include "uart.h"

#include <string.h>

enum { DATA, IER, IIR, LCR, MCR, LSR, MSR, SCR, FCR = IIR };

enum {
	IER_IN = 1, IER_OUT = 2, IER_STATUS = 4, IER_ALL = 15,
	IIR_NONE = 1, IIR_OUT = 2, IIR_IN = 4, IIR_STATUS = 6, IIR_FIFO = 0xc0,
	FCR_ON = 1, FCR_CLEAR_IN = 2,
	LCR_DIVISOR = 0x80,
	MCR_DTR = 1, MCR_RTS = 2, MCR_OUT1 = 4, MCR_LINE = 8, MCR_LOOP = 16, MCR_ALL = 31,
	LSR_IN = 1, LSR_OVERRUN = 2, LSR_EMPTY = 0x60,
	MSR_CTS = 0x10, MSR_DSR = 0x20, MSR_RI = 0x40, MSR_DCD = 0x80,
};

static uint8_t why(const struct vmm_uart *uart)
{
	if (uart->ier & IER_STATUS && uart->overrun)
		return IIR_STATUS;
	if (uart->ier & IER_IN && uart->ins)
		return IIR_IN;
	return uart->ier & IER_OUT && uart->sent ? IIR_OUT : IIR_NONE;
}

static void update(const struct vmm_uart *uart)
{
	uart->board->line(uart->board->ctx, VMM_UART_LINE, uart->mcr & MCR_LINE && why(uart) != IIR_NONE);
}

unsigned vmm_uart_room(const struct vmm_uart *uart)
{
	unsigned cap = uart->fifo ? sizeof(uart->in) : 1;

	return cap > uart->ins ? cap - uart->ins : 0;
}

static void take_in(struct vmm_uart *uart, uint8_t byte)
{
	if (vmm_uart_room(uart))
		uart->in[uart->ins++] = byte;
	else
		uart->overrun = 1;
}

void vmm_uart_in(struct vmm_uart *uart, uint8_t byte)
{
	if (uart->mcr & MCR_LOOP)
		return;
	take_in(uart, byte);
	update(uart);
}

static uint8_t take_out(struct vmm_uart *uart)
{
	uint8_t byte = uart->in[0];

	if (!uart->ins)
		return 0;
	memmove(uart->in, uart->in + 1, --uart->ins);
	return byte;
}

static uint8_t read_iir(struct vmm_uart *uart)
{
	uint8_t iir = why(uart);

	if (iir == IIR_OUT)
		uart->sent = 0;
	return iir | (uart->fifo ? IIR_FIFO : 0);
}

static uint8_t read_lsr(struct vmm_uart *uart)
{
	uint8_t lsr = LSR_EMPTY | (uart->ins ? LSR_IN : 0) | (uart->overrun ? LSR_OVERRUN : 0);

	uart->overrun = 0;
	return lsr;
}

static uint8_t read_msr(const struct vmm_uart *uart)
{
	if (!(uart->mcr & MCR_LOOP))
		return MSR_CTS | MSR_DSR | MSR_DCD;
	return (uart->mcr & MCR_RTS ? MSR_CTS : 0) | (uart->mcr & MCR_DTR ? MSR_DSR : 0) | (uart->mcr & MCR_OUT1 ? MSR_RI : 0) |
	       (uart->mcr & MCR_LINE ? MSR_DCD : 0);
}

static uint8_t read_byte(struct vmm_uart *uart, uint64_t offset)
{
	bool divisor = uart->lcr & LCR_DIVISOR;

	switch (offset) {
	case DATA:
		return divisor ? uart->divisor[0] : take_out(uart);
	case IER:
		return divisor ? uart->divisor[1] : uart->ier;
	case IIR:
		return read_iir(uart);
	case LCR:
		return uart->lcr;
	case MCR:
		return uart->mcr;
	case LSR:
		return read_lsr(uart);
	case MSR:
		return read_msr(uart);
	default:
		return uart->scr;
	}
}

static void send(struct vmm_uart *uart, uint8_t byte)
{
	uart->sent = 1;
	if (uart->mcr & MCR_LOOP)
		take_in(uart, byte);
	else
		uart->out(uart->ctx, byte);
}

static void write_ier(struct vmm_uart *uart, uint8_t value)
{
	if (value & ~uart->ier & IER_OUT) /* switched on while there is nothing to send: it may be written to */
		uart->sent = 1;
	uart->ier = value & IER_ALL;
}

static void write_fcr(struct vmm_uart *uart, uint8_t value)
{
	if ((value ^ uart->fifo) & FCR_ON || value & FCR_CLEAR_IN)
		uart->ins = 0;
	uart->fifo = value & FCR_ON;
}

static void write_byte(struct vmm_uart *uart, uint64_t offset, uint8_t value)
{
	bool divisor = uart->lcr & LCR_DIVISOR;

	if (divisor && offset <= IER)
		uart->divisor[offset] = value;
	else if (offset == DATA)
		send(uart, value);
	else if (offset == IER)
		write_ier(uart, value);
	else if (offset == FCR)
		write_fcr(uart, value);
	else if (offset == LCR)
		uart->lcr = value;
	else if (offset == MCR)
		uart->mcr = value & MCR_ALL;
	else if (offset == SCR)
		uart->scr = value;
}

/* The registers are bytes: a wider access is one of several. */
static uint64_t uart_read(void *device, uint64_t offset, unsigned size)
{
	uint64_t value = 0;

	for (unsigned i = 0; i < size; i++)
		value |= (uint64_t)read_byte(device, offset + i) << 8 * i;
	update(device);
	return value;
}

static void uart_write(void *device, uint64_t offset, unsigned size, uint64_t value)
{
	for (unsigned i = 0; i < size; i++)
		write_byte(device, offset + i, (uint8_t)(value >> 8 * i));
	update(device);
}

static void uart_walk(void *device, struct vmm_walk *walk)
{
	struct vmm_uart *uart = device;
	uint8_t *const bytes[] = { &uart->ier, &uart->lcr, &uart->mcr, &uart->scr, &uart->fifo, &uart->sent, &uart->overrun, &uart->ins };

	for (size_t i = 0; i < sizeof(bytes) / sizeof(bytes[0]); i++)
		vmm_walk_u8(walk, bytes[i]);
	vmm_walk_bytes(walk, uart->divisor, sizeof(uart->divisor));
	vmm_walk_bytes(walk, uart->in, sizeof(uart->in));
	if (uart->ins > sizeof(uart->in))
		walk->failed = true, uart->ins = 0;
	if (walk->loads)
		update(uart);
}

const struct vmm_device_ops vmm_uart_ops = { "uart", uart_read, uart_write, uart_walk };

void vmm_uart_init(struct vmm_uart *uart, const struct vmm_board *board, void (*out)(void *ctx, uint8_t byte), void *ctx)
{
	*uart = (struct vmm_uart){ .board = board, .out = out, .ctx = ctx };
}
