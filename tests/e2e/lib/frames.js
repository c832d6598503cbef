// frames.js: WebSocket frames by hand, for what no client library would send.
import crypto from 'node:crypto';
import { openSocket } from './transport.js';
import { DEADLINE_MS, until } from './wait.js';

export const TEXT = 1,
	BINARY = 2,
	CLOSE = 8,
	PING = 9,
	PONG = 10,
	CONTINUATION = 0;

// options: fin, rsv (bits 0…7), masked, length (announced instead of the true one), form (7, 16 or 64 bits of length).
export function frame(opcode, payload = '', options = {}) {
	const { fin = true, rsv = 0, masked = true } = options;
	const body = Buffer.isBuffer(payload) ? Buffer.from(payload) : Buffer.from(payload, 'utf8');
	const length = BigInt(options.length ?? body.length);
	const form = options.form ?? (length < 126n ? 7 : length < 65536n ? 16 : 64);
	const head = [(fin ? 0x80 : 0) | (rsv << 4) | opcode];
	const mask = masked ? 0x80 : 0;
	const bytes = Buffer.alloc(8);
	bytes.writeBigUInt64BE(BigInt.asUintN(64, length));
	if (form === 7) head.push(mask | Number(length));
	else if (form === 16) head.push(mask | 126, ...bytes.subarray(6));
	else head.push(mask | 127, ...bytes);
	if (!masked) return Buffer.concat([Buffer.from(head), body]);
	const key = crypto.randomBytes(4);
	for (let i = 0; i < body.length; i++) body[i] ^= key[i % 4];
	return Buffer.concat([Buffer.from(head), key, body]);
}

export function closeFrame(code, reason = '') {
	const bytes = Buffer.alloc(2);
	bytes.writeUInt16BE(code);
	return frame(CLOSE, Buffer.concat([bytes, Buffer.isBuffer(reason) ? reason : Buffer.from(reason)]));
}

export function handshake(port, changes = {}) {
	const headers = {
		Host: `127.0.0.1:${port}`,
		Upgrade: 'websocket',
		Connection: 'Upgrade',
		'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25jZQ==',
		'Sec-WebSocket-Version': '13',
		...changes,
	};
	const lines = Object.entries(headers)
		.filter(([, value]) => value !== undefined)
		.map(([name, value]) => `${name}: ${value}\r\n`);
	return `GET /v1/realtime HTTP/1.1\r\n${lines.join('')}\r\n`;
}

// A WebSocket without a library: frames out as bytes, frames in as {opcode, fin, masked, payload}.
export class RawWebSocket {
	static async connect(port, bytesBehind = Buffer.alloc(0), changes = {}) {
		const raw = new RawWebSocket();
		raw.frames = [];
		raw.bytes = Buffer.alloc(0);
		raw.socket = openSocket(port);
		raw.socket.on('error', () => {});
		raw.socket.on('data', data => raw.#take(data));
		raw.socket.on('end', () => {
			raw.ended = true;
		});
		raw.socket.on('close', () => {
			raw.ended = true;
		});
		raw.socket.write(Buffer.concat([Buffer.from(handshake(port, changes), 'latin1'), bytesBehind]));
		await until(() => raw.head || raw.ended, DEADLINE_MS, 'answer to the handshake');
		if (!raw.head?.startsWith('HTTP/1.1 101 ')) throw new Error(`no handshake: ${raw.head}`);
		return raw;
	}

	#take(data) {
		this.bytes = Buffer.concat([this.bytes, data]);
		if (!this.head) {
			const end = this.bytes.indexOf('\r\n\r\n');
			if (end < 0) return;
			this.head = this.bytes.toString('latin1', 0, end + 4);
			this.bytes = this.bytes.subarray(end + 4);
		}
		while (this.#takeFrame());
	}

	#takeFrame() {
		const { bytes } = this;
		if (bytes.length < 2) return false;
		let length = bytes[1] & 0x7f,
			at = 2;
		if (length === 126) {
			if (bytes.length < 4) return false;
			length = bytes.readUInt16BE(2);
			at = 4;
		} else if (length === 127) {
			if (bytes.length < 10) return false;
			length = Number(bytes.readBigUInt64BE(2));
			at = 10;
		}
		if (bytes.length < at + length) return false;
		this.frames.push({
			fin: Boolean(bytes[0] & 0x80),
			rsv: (bytes[0] >> 4) & 7,
			opcode: bytes[0] & 0x0f,
			masked: Boolean(bytes[1] & 0x80),
			payload: bytes.subarray(at, at + length),
		});
		this.bytes = bytes.subarray(at + length);
		return true;
	}

	write(...parts) {
		for (const part of parts) this.socket.write(part);
	}

	next(fits, what = String(fits)) {
		return until(
			() => {
				const at = this.frames.findIndex(fits);
				if (at >= 0) return this.frames.splice(at, 1)[0];
				if (this.ended) throw new Error(`the server ended the connection; frames: ${this.describe()}`);
				return undefined;
			},
			DEADLINE_MS,
			what,
		);
	}

	// The code of the server's Close frame.
	async closeCode() {
		const close = await this.next(item => item.opcode === CLOSE, 'a Close frame');
		return close.payload.length >= 2 ? close.payload.readUInt16BE(0) : 1005;
	}

	waitForEnd() {
		return until(() => this.ended, DEADLINE_MS, 'end of the connection');
	}

	describe() {
		return JSON.stringify(
			this.frames.map(item => ({ opcode: item.opcode, payload: item.payload.toString('latin1') })),
		);
	}

	close() {
		this.socket.destroy();
	}
}
