// wait.js: waiting for conditions with deadlines. Nothing here or elsewhere sleeps to be in time.
import net from 'node:net';

// Generous: two busy cores, sanitizers. A test that passes does not wait for it.
export const DEADLINE_MS = 15000;
const LOOK_MS = 10;

export const turn = (ms = LOOK_MS) => new Promise(resolve => setTimeout(resolve, ms));

// `what`: text, or a function that gives it when time is up.
// What `condition` returns as soon as that is truthy. Its throw is the reason when time is up.
export async function until(condition, deadlineMs = DEADLINE_MS, what = () => String(condition)) {
	const end = Date.now() + deadlineMs;
	let fault;
	for (;;) {
		try {
			const value = await condition();
			if (value) return value;
			fault = undefined;
		} catch (error) {
			fault = error;
		}
		if (Date.now() >= end)
			throw new Error(`not within ${deadlineMs} ms: ${typeof what === 'function' ? what() : what}`, {
				cause: fault,
			});
		await turn();
	}
}

// The promise's value, or an error that says what did not come.
export async function within(promise, deadlineMs, what) {
	let timer;
	const late = new Promise((_, reject) => {
		timer = setTimeout(
			() => reject(new Error(`not within ${deadlineMs} ms: ${typeof what === 'function' ? what() : what}`)),
			deadlineMs,
		);
	});
	try {
		return await Promise.race([promise, late]);
	} finally {
		clearTimeout(timer);
	}
}

export async function freePort() {
	const server = net.createServer();
	await new Promise((resolve, reject) => {
		server.once('error', reject);
		server.listen(0, '127.0.0.1', resolve);
	});
	const { port } = server.address();
	await new Promise(resolve => server.close(resolve));
	return port;
}

// Small seeded generator (mulberry32): a run can be repeated from the seed it prints.
export function randomOf(seed) {
	let state = seed >>> 0;
	const next = () => {
		state = (state + 0x6d2b79f5) >>> 0;
		let value = Math.imul(state ^ (state >>> 15), state | 1);
		value = (value + Math.imul(value ^ (value >>> 7), value | 61)) ^ value;
		return (value ^ (value >>> 14)) >>> 0;
	};
	return { below: limit => next() % limit, pick: list => list[next() % list.length] };
}
