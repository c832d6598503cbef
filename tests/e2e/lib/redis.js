// redis.js: the few bytes of RESP2 that the tests need: commands one after the other, and subscriptions.
import net from 'node:net';
import { DEADLINE_MS, until, within } from './wait.js';

// One reply from `bytes` at `at`: {value, at}, or null when it is not all there.
function parse(bytes, at) {
	const end = bytes.indexOf('\r\n', at);
	if (end < 0) return null;
	const line = bytes.toString('utf8', at + 1, end);
	const next = end + 2;
	switch (String.fromCharCode(bytes[at])) {
		case '+':
			return { value: line, at: next };
		case '-':
			return { value: new Error(line), at: next };
		case ':':
			return { value: Number(line), at: next };
		case '$': {
			const length = Number(line);
			if (length < 0) return { value: null, at: next };
			if (bytes.length < next + length + 2) return null;
			return { value: bytes.toString('utf8', next, next + length), at: next + length + 2 };
		}
		case '*': {
			const value = [];
			let position = next;
			for (let i = 0; i < Number(line); i++) {
				const item = parse(bytes, position);
				if (!item) return null;
				value.push(item.value);
				position = item.at;
			}
			return { value, at: position };
		}
		default:
			throw new Error(`no RESP: ${line}`);
	}
}

export class RedisClient {
	constructor(socket) {
		this.socket = socket;
		this.bytes = Buffer.alloc(0);
		this.waiting = [];
		this.messages = [];
		socket.on('data', data => this.#take(data));
		socket.on('error', () => {});
		socket.on('close', () => {
			for (const { reject } of this.waiting.splice(0)) reject(new Error('Redis closed the connection'));
		});
	}

	static async connect(place, password) {
		const socket = net.connect(place);
		await new Promise((resolve, reject) => {
			socket.once('connect', resolve);
			socket.once('error', reject);
		});
		const client = new RedisClient(socket);
		if (password) await client.command('AUTH', password);
		return client;
	}

	#take(data) {
		this.bytes = Buffer.concat([this.bytes, data]);
		for (;;) {
			const reply = parse(this.bytes, 0);
			if (!reply) return;
			this.bytes = this.bytes.subarray(reply.at);
			if (Array.isArray(reply.value) && /^p?message$/.test(reply.value[0])) {
				this.messages.push({ channel: reply.value.at(-2), text: reply.value.at(-1) });
				continue;
			}
			const { resolve, reject } = this.waiting.shift();
			if (reply.value instanceof Error) reject(reply.value);
			else resolve(reply.value);
		}
	}

	command(...words) {
		const parts = [`*${words.length}\r\n`];
		for (const word of words.map(String)) parts.push(`$${Buffer.byteLength(word)}\r\n${word}\r\n`);
		this.socket.write(parts.join(''));
		const answer = new Promise((resolve, reject) => this.waiting.push({ resolve, reject }));
		return within(answer, DEADLINE_MS, `Redis answers ${words[0]}`);
	}

	async subscribe(channel) {
		await this.command('SUBSCRIBE', channel);
	}

	nextMessage(deadlineMs = DEADLINE_MS) {
		return until(() => this.messages.shift(), deadlineMs, 'a message on the channel');
	}

	close() {
		this.socket.destroy();
	}
}

// The envelope as it is stored, in whichever encoding.
export async function storedEnvelope(redis, key) {
	const isText = (await redis.command('TYPE', key)) === 'string';
	return JSON.parse(await (isText ? redis.command('GET', key) : redis.command('JSON.GET', key, 'NOESCAPE', '.')));
}

export const keys = {
	data: (service, id) => `syncdoc:data:${service}:${id}`,
	channel: (service, id) => `syncdoc:channel:${service}:${id}`,
	history: (service, id) => `syncdoc:history:{syncdoc:data:${service}:${id}}`,
	index: service => `syncdoc:index:${service}`,
	names: service => `syncdoc:names:${service}`,
	deleted: service => `syncdoc:deleted:${service}`,
	services: 'syncdoc:services',
	sequence: 'syncdoc:sequence',
	expiry: 'syncdoc:expiry',
};
