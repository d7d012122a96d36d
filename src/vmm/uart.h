/* SPDX-License-Identifier: MIT */
/* A 16550A serial port: what is written goes out at once. */
#ifndef GABI_VMM_UART_H
#define GABI_VMM_UART_H

#include "device.h"

#define VMM_UART_PORT 0x3f8u /* COM1 */
#define VMM_UART_LEN  8u
#define VMM_UART_LINE 4u

struct vmm_uart {
	const struct vmm_board *board;
	void (*out)(void *ctx, uint8_t byte);
	void *ctx;
	uint8_t ier, lcr, mcr, scr, divisor[2];
	uint8_t fifo;        /* 1: FCR switched it on */
	uint8_t sent;        /* 1: the interrupt "may be written to" waits to be seen */
	uint8_t overrun;     /* 1: a byte was lost */
	uint8_t in[16], ins; /* what came in and was not read */
};

extern const struct vmm_device_ops vmm_uart_ops;

void vmm_uart_init(struct vmm_uart *uart, const struct vmm_board *board, void (*out)(void *ctx, uint8_t byte), void *ctx);

/* How many more bytes it takes in, and one that comes in. */
unsigned vmm_uart_room(const struct vmm_uart *uart);
void vmm_uart_in(struct vmm_uart *uart, uint8_t byte);

#endif
