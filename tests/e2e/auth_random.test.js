// auth_random.test.js: connections that refresh their tokens at random, while they subscribe, resume and read slowly, get nothing that
// the token in force does not allow.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { DEADLINE_MS, Daemon, Redis, bearer, documentPath, randomOf, secret, token, turn, until, writeFile } from './harness.js';

const seed = Number(process.env.SYNCDOC_SEED ?? Date.now() % 1e9);
const DURATION_MS = 6000,
	CLIENTS = 16;
const key = secret();
const ids = ['a', 'a1', 'ab', 'b1', 'c1'],
	services = ['s', 't'];
const claims = [
	{ '*': 'rp' },
	{ s: 'rp', t: 'r' },
	{ s: { rights: 'rp', documents: ['a*', 'b1'] }, '*': 'p' },
	{ s: 'p', t: 'r' },
	{ s: { rights: 'rp', documents: [] }, t: { rights: 'r', documents: ['a', 'ab', 'c*'] } },
	{},
];

// As README.md has it, without any of the server's short cuts.
function allows(rights, service, id, letter) {
	const rule = rights[service] ?? rights['*'] ?? '';
	if (typeof rule === 'string') return rule.includes(letter);
	return rule.rights.includes(letter) && rule.documents.some(text => (text.endsWith('*') ? id.startsWith(text.slice(0, -1)) : id === text));
}

let directory, redis, daemon;
before(async () => {
	process.stdout.write(`# seed ${seed}\n`);
	directory = fs.mkdtempSync(path.join(os.tmpdir(), 'syncdoc-auth-'));
	redis = await Redis.start();
	const file = writeFile(path.join(directory, 'key'), key);
	daemon = await Daemon.start({
		redis,
		settings: { 'auth.mode': 'jwt', 'auth.algorithm': 'HS256', 'auth.key': file, 'ws.queue': '64KiB', 'ws.rate': 10000, 'ws.burst': 10000 },
	});
});
after(async () => {
	await daemon?.stop();
	await redis?.stop();
	fs.rmSync(directory, { recursive: true, force: true });
});

class Client {
	constructor(number, faults, positions) {
		Object.assign(this, { random: randomOf(seed + number), faults, positions, asked: new Map(), refreshes: 0, events: 0 });
	}

	pick(list) {
		return list[this.random.below(list.length)];
	}

	async start() {
		this.rights = claims[0];
		this.ws = await daemon.connect({ headers: bearer(token(this.rights, key)) });
		this.ws.socket.on('message', text => this.take(JSON.parse(String(text))));
	}

	// Answers and events stand in one order, so from the answer to a refresh on its rights count.
	take(message) {
		if (message.type === 'result') this.rights = this.asked.get(message.id);
		if (message.position) this.positions[this.random.below(200)] = message.position;
		const { type, topic, payload, document } = message;
		if (type === 'event') this.events++;
		const letter = topic?.endsWith('.presence') && type === 'event' ? 'p' : 'r';
		const shown = type === 'event' ? payload : document && { service: document.service, documentId: document.id };
		if (shown && !allows(this.rights, shown.service, shown.documentId, letter))
			this.faults.push(`${JSON.stringify(this.rights)} got ${JSON.stringify(message).slice(0, 200)}`);
		this.ws.unread.length = 0;
	}

	message() {
		const service = this.pick(services),
			documentId = this.pick(ids);
		const topic = `sync.${this.pick([...services, '*'])}.${this.pick(['updated', 'presence', '*'])}`;
		const positions = this.positions.filter(Boolean);
		switch (this.random.below(7)) {
			case 0:
			case 1: {
				const rights = this.pick(claims);
				this.asked.set(++this.refreshes, rights);
				return { type: 'auth', token: token(rights, key), id: this.refreshes };
			}
			case 2:
				return { type: 'subscribe', topic, returnMode: this.pick(['full', 'both']) };
			case 3:
				return { type: 'subscribe', topic, ...(positions.length && { after: this.pick(positions) }) };
			case 4:
				return { type: 'unsubscribe', topic };
			default:
				return { type: 'subscribe', topic: `sync.${service}.${this.pick(['*', 'presence'])}`, documentId, snapshot: true };
		}
	}

	async run(isOver) {
		while (!isOver()) {
			for (let i = this.random.below(8); i >= 0; i--) this.ws.send(this.message());
			if (!this.random.below(20)) {
				this.ws.socket.pause();
				await turn(300);
				this.ws.socket.resume();
			}
			await turn(this.random.below(40));
		}
	}
}

test('refreshes at random: nothing comes that the token in force does not allow', async () => {
	const faults = [],
		positions = [],
		random = randomOf(seed),
		admin = bearer(token({ '*': 'rwp' }, key, { claims: { sub: 'root' } }));
	const clients = Array.from({ length: CLIENTS }, (_, number) => new Client(number, faults, positions));
	await Promise.all(clients.map(client => client.start()));
	const end = Date.now() + DURATION_MS,
		isOver = () => Date.now() >= end + DEADLINE_MS || (Date.now() >= end && clients.every(({ events }) => events));
	const write = async () => {
		for (let n = 0; !isOver(); n++) {
			const place = documentPath(services[random.below(2)], ids[random.below(ids.length)]);
			await daemon.rest.put(place, { data: { n, text: 'x'.repeat(random.below(3) ? 10 : 8000) } }, admin);
			if (n % 5 === 0) await daemon.rest.put(`${place}/presence/root`, { mode: n % 2 ? 'editing' : 'viewing' }, admin);
		}
	};
	await Promise.all([write(), write(), ...clients.map(client => client.run(isOver))]);
	await until(() => clients.every(client => client.rights === (client.asked.get(client.refreshes) ?? claims[0])), undefined, () => 'all refreshes answered');
	assert.deepEqual(faults.slice(0, 5), []);
	for (const { events } of clients) assert.ok(events, 'a client that got nothing');
});
