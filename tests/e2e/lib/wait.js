// wait.js: waiting for conditions with deadlines. Nothing here or elsewhere sleeps to be in time.

// Generous: two busy cores, sanitizers, a machine that stands still for seconds. A test that passes does not wait for it.
export const DEADLINE_MS = 60000;
const LOOK_MS = 10;

export const turn = (ms = LOOK_MS) => new Promise(resolve => setTimeout(resolve, ms));

// `what`: text, or a function that gives it when time is up.
// What `condition` returns as soon as that is truthy. Its throw is the reason when time is up.
export async function until(condition, deadlineMs = DEADLINE_MS, what = () => String(condition)) {
	const end = Date.now() + deadlineMs;
	let fault;
	for (let isLast = false; ; ) {
		try {
			const value = await condition();
			if (value) return value;
			fault = undefined;
		} catch (error) {
			fault = error;
		}
		if (isLast)
			throw new Error(`not within ${deadlineMs} ms: ${typeof what === 'function' ? what() : what}`, {
				cause: fault,
			});
		// One more look after the end: this process may have stood still, and what was waited for is here.
		isLast = Date.now() >= end;
		await turn();
	}
}

// What must be done within `ms` to show anything: `attempt(ms)`, and again with twice the time where this machine took longer, as its
// own clock shows; `factor` 1 where the time is not ours to choose. What goes wrong within the time has gone wrong. Few `repeats` where
// a fault of what is tested may take as long: one that shows now and then must not be repeated away.
export async function inTime(ms, attempt, { factor = 2, repeats = 10 } = {}) {
	for (let patienceMs = ms, left = repeats; ; patienceMs *= factor, left--) {
		const start = Date.now();
		try {
			return await attempt(patienceMs);
		} catch (error) {
			if (Date.now() - start < patienceMs || !left) throw error;
		}
	}
}

// The promise's value, or an error that says what did not come.
export async function within(promise, deadlineMs, what) {
	let timer;
	const late = new Promise((_, reject) => {
		// What has arrived while all stood still is read first: it is not late.
		timer = setTimeout(
			() => setImmediate(() => reject(new Error(`not within ${deadlineMs} ms: ${typeof what === 'function' ? what() : what}`))),
			deadlineMs,
		);
	});
	try {
		return await Promise.race([promise, late]);
	} finally {
		clearTimeout(timer);
	}
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
