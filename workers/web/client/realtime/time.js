// time.js: delays, and a clock that nobody sets.

export const DELAY_MAX_MS = 2 ** 31 - 1; // a timer that is given more ends at once

// Only differences mean something.
export const now = () => performance.now();

// Full jitter: who failed together does not come back at one moment.
export function backoffMs(minMs, maxMs, failures) {
	return Math.random() * Math.min(maxMs, minMs * 2 ** failures);
}
