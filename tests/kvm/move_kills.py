#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""move_kills.py GABI GUEST: a guest moves through a relay that kills the source or the destination when a message of some kind comes by: each
kind, either side; without GABI_SOAK in the environment only the last ones. The other side must go on with the guest, or end and say why. The guest is
guest/traveller.c."""
import itertools
import os
import select
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time

gabi, guest = (os.path.realpath(path) for path in sys.argv[1:3])
FORTH, BACK = 0, 1
BEGINNING, HEAD = 16, 24  # bytes, as src/vmm/stream.h has them
PATIENCE_S = 120


class Guest:
	"""A guest's monitor and all that it says."""
	numbers = itertools.count()

	def __init__(self, *args):
		self.name = f'guest{next(Guest.numbers)}'
		self.said = open(self.name + '.out', 'w+b')
		self.errors = open(self.name + '.err', 'w+b')
		self.process = subprocess.Popen([gabi, 'run', '--force', '--name', self.name, *args], stdin=subprocess.PIPE, stdout=self.said, stderr=self.errors)

	def control(self, command):
		return subprocess.run([gabi, 'ctl', self.name, command], capture_output=True, text=True, check=False).stdout

	def monitor(self):
		return int(self.control('status').split('pid: ')[1].split()[0])

	def turns(self):
		self.said.seek(0)
		return self.said.read().count(b'turn')

	def works_on(self):
		before, end = self.turns(), time.monotonic() + PATIENCE_S
		while self.turns() <= before:
			if time.monotonic() > end:
				return False
			time.sleep(0.02)
		return True

	def ended(self):
		try:
			return self.process.wait(PATIENCE_S)
		except subprocess.TimeoutExpired:
			return None

	def says(self):
		self.errors.seek(0)
		return self.errors.read().decode(errors='replace')

	def kill(self):
		self.process.kill()
		self.process.wait()


class Relay:
	"""Carries one connection from one path to another, and calls act(kind) when the head of a message has come, before it is passed on."""

	def __init__(self, near, far, act):
		self.listener = socket.socket(socket.AF_UNIX)
		self.listener.bind(near)
		self.listener.listen()
		self.far, self.act = far, act
		self.thread = threading.Thread(target=self.carry, daemon=True)
		self.thread.start()

	def follow(self, way, piece):
		for byte in piece:
			if self.rest[way]:
				self.rest[way] -= 1
				continue
			self.head[way].append(byte)
			if len(self.head[way]) == HEAD:
				kind, _, length = struct.unpack('<IIQ', self.head[way][:16])
				self.head[way].clear()
				self.rest[way] = length
				self.act(way, kind)

	def carry(self):
		self.rest, self.head = [BEGINNING, BEGINNING], [bytearray(), bytearray()]
		ends = [self.listener.accept()[0], socket.socket(socket.AF_UNIX)]
		ends[1].connect(self.far)
		while True:
			for end in select.select(ends, [], [])[0]:
				way = ends.index(end)
				try:
					piece = end.recv(256)
					self.follow(way, piece)
					ends[1 - way].sendall(piece)
				except OSError:
					piece = b''
				if not piece:
					for each in ends:
						each.close()
					return


def move(source, act):
	"""Returns the destination, and how the move ended."""
	for path in ('near', 'far'):
		if os.path.exists(path):
			os.unlink(path)
	there = Guest('--incoming', 'unix:far')
	while 'waiting' not in there.says():
		time.sleep(0.02)
	relay = Relay('near', 'far', lambda way, kind: act(there, way, kind))
	status = subprocess.run([gabi, 'migrate', source.name, 'unix:near'], capture_output=True, check=False).returncode
	relay.thread.join(PATIENCE_S)
	return there, status


def boot():
	here = Guest('--cpus', '2', '--memory', '32M', '--hyperv', '--append', 'cpus=2 pages=256 every=64 hyperv=1', guest)
	if not here.works_on():
		sys.exit('the guest does not begin: ' + here.says())
	return here


def kill_at(source, kind, kills_source):
	killed = []
	victim = source.monitor()

	def act(there, _, seen):
		if seen == kind and not killed:
			killed.append(kind)
			if kills_source:
				os.kill(victim, signal.SIGKILL)
			else:
				there.kill()

	there, status = move(source, act)
	return there, status, bool(killed)


def judge_source(source, status, kind, seen):
	"""The destination was killed, and migrate said how it went. Returns what is wrong."""
	if not status:
		return None if source.ended() == 0 and 'moved' in source.says() else 'the source does not end well: ' + source.says()
	if 'state: paused' in source.control('status'):
		if kind not in (seen[FORTH][-1], *seen[BACK][-2:]):
			return 'the source is held, and it was not to go yet'
		source.control('resume')
	return None if source.works_on() else 'the source does not go on'


def judge_destination(there, went):
	"""The source was killed. Returns what is wrong."""
	if went:
		return None if there.works_on() else f'the destination does not go on: {there.says()}'
	status = there.ended()
	return None if status == 3 and 'waiting' not in there.says().splitlines()[-1] else f'the destination ends with {status}: {there.says()}'


def next_source(source, there):
	"""Whichever goes on, and else a new one."""
	if source.process.poll() is None and source.control('status'):
		there.kill()
		return source
	source.kill()
	if there.process.poll() is None and there.control('status'):
		return there
	there.kill()
	return boot()


def main():
	seen = ([], [])

	def note(_, way, kind):
		if kind not in seen[way]:
			seen[way].append(kind)

	first = boot()
	source, status = move(first, note)
	if status or first.ended() or not source.works_on():
		sys.exit(f'it does not arrive: {status}, {first.says()}{source.says()}')
	kinds = list(dict.fromkeys(seen[FORTH] + seen[BACK])) if os.environ.get('GABI_SOAK') else [seen[FORTH][-1], *seen[BACK][-2:]]
	failed = False
	for kind, kills_source in itertools.product(kinds, (False, True)):
		there, status, killed = kill_at(source, kind, kills_source)
		went = kind in (seen[FORTH][-1], seen[BACK][-1])
		if not killed:
			wrong = 'that message did not come'
		elif status != 4 and not (status == 0 and kind == seen[BACK][-1]):
			wrong = f'migrate ends with {status}'
		else:
			wrong = judge_destination(there, went) if kills_source else judge_source(source, status, kind, seen)
		failed = failed or bool(wrong)
		print(f'[{"  FAILED  " if wrong else "       OK "}] message {kind}: the {"source" if kills_source else "destination"} is killed{": " + wrong if wrong else ""}', flush=True)
		source = next_source(source, there)
	source.kill()
	return failed


if subprocess.run([gabi, 'probe'], capture_output=True, check=False).returncode:
	print('skipped: no usable KVM here')
	sys.exit(77)
with tempfile.TemporaryDirectory() as work:
	os.chdir(work)
	os.environ['XDG_RUNTIME_DIR'] = work
	sys.exit(main())
