// resume_random.test.js: clients that lose their connections at random moments, and resume with since or after.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { putDocument, randomOf, turn, until, withPair } from './harness.js';

const seed = Number(process.env.SYNCDOC_SEED ?? Date.now() % 1e9);

// What one application client would do: it holds revisions per document, and resumes with what it holds.
class Client {
	constructor(daemon, random, ids, byTopic) {
		Object.assign(this, { daemon, random, ids, byTopic, held: new Map(), position: undefined, resyncs: 0, faults: [] });
	}

	async start() {
		this.ws = await this.daemon.connect();
		this.taken = 0;
		const common = { type: 'subscribe', returnMode: 'full' };
		if (this.byTopic)
			this.ws.send({ ...common, topic: 'sync.random.*', ...(this.position && { after: this.position }) });
		else
			for (const id of this.ids) {
				const held = this.held.get(id);
				this.ws.send({
					...common,
					topic: 'sync.random.*',
					documentId: id,
					...(held?.createdAt ? { since: held } : { snapshot: true }),
				});
			}
	}

	take() {
		for (; this.taken < this.ws.messages.length; this.taken++) this.takeOne(this.ws.messages[this.taken]);
	}

	takeOne(message) {
		if (message.type === 'error') this.faults.push(message.text);
		if (message.type === 'resync') {
			this.resyncs++;
			this.held.clear();
		}
		if (message.type === 'subscribed') {
			if (this.byTopic) this.position = message.position;
			if (message.document) {
				const { createdAt, revision, updatedAt } = message.document;
				this.held.set(message.documentId, { createdAt, revision, updatedAt });
			}
		}
		if (message.type === 'event') this.takeEvent(message);
	}

	takeEvent({ payload, timestamp, position }) {
		const held = this.held.get(payload.documentId);
		if (this.byTopic) this.position = position;
		const repeats = this.byTopic && held && payload.revision <= held.revision;
		if (repeats) return; // up to 250 ms of an `after` may repeat
		if (held && payload.revision !== held.revision + 1)
			this.faults.push(`${payload.documentId}: ${payload.revision} behind ${held.revision}`);
		if (!held && !this.byTopic && payload.revision !== 1)
			this.faults.push(`${payload.documentId}: ${payload.revision} first`);
		this.held.set(payload.documentId, {
			createdAt: held?.createdAt ?? (payload.revision === 1 ? timestamp : undefined),
			revision: payload.revision,
			updatedAt: timestamp,
		});
	}

	async run(isOver) {
		await this.start();
		while (!isOver()) {
			await turn(this.random.below(120));
			this.ws.close();
			this.take();
			await this.start();
		}
	}
}

test('clients that drop at random moments end with every revision once and in order', () =>
	withPair({ settings: { workers: 2, 'ws.rate': 100000, 'ws.burst': 100000, 'history.max': 400 } }, async ({ daemon, rest }) => {
		process.stdout.write(`# seed ${seed}\n`);
		const random = randomOf(seed),
			ids = Array.from({ length: 20 }, (_, i) => `r${i}`),
			newest = new Map();
		const clients = Array.from({ length: 10 }, (_, i) => new Client(daemon, randomOf(seed + i), ids, i % 2 === 0));
		let over = false;
		const running = clients.map(client => client.run(() => over));
		await Promise.all(
			Array.from({ length: 4 }, async () => {
				for (let i = 0; i < 200; i++) {
					const id = random.pick(ids);
					const { revision } = await putDocument(rest, 'random', id, { i, list: [random.below(9)] });
					newest.set(id, Math.max(revision, newest.get(id) ?? 0));
				}
			}),
		);
		over = true;
		await Promise.all(running);
		for (const client of clients) {
			await until(
				() => {
					client.take();
					return [...newest].every(([id, revision]) => client.held.get(id)?.revision === revision);
				},
				undefined,
				() => `${JSON.stringify([...client.held])} of ${JSON.stringify([...newest])}`,
			);
			assert.deepEqual(client.faults, []);
			assert.equal(client.resyncs, 0);
			client.ws.close();
		}
	}));
