// outbox.js: requests on their way: those that wait to be sent, those that wait for their answer, and how fast they may go.
import { RealtimeError, TimeoutError, errorOf, unknownError } from './errors.js';
import { DELAY_MAX_MS, now } from './time.js';

const RATE_LIMITED = 429;
const PAUSE_MS = 150; // after a 429
const RATE_LIMITED_MAX = 10;

// What becomes of a request whose connection is lost before its answer came.
export const LOST = Object.freeze({
	AGAIN: 'again', // a reading: asked again
	UNKNOWN: 'unknown', // a write: the caller is told that nobody knows
	DROP: 'drop', // of this connection only; its owner begins anew
});

// Instead of an answer: the server takes no message of that length. Nothing was sent.
export const TOO_BIG = Symbol('too big');

// A character takes one to three bytes.
function byteLengthIsAbove(text, max) {
	return text.length > max || (text.length * 3 > max && new TextEncoder().encode(text).length > max);
}

export class Outbox {
	#waiting = [];
	#sent = new Map(); // id → entry
	#lastId = 0;
	#tokens;
	#refilledAt = now();
	#timer;

	// send(text): false: not now.
	constructor({ send, queueMax, messagesPerSecond, messagesBurst }) {
		Object.assign(this, { send, queueMax, messagesPerSecond, messagesBurst });
		this.#tokens = messagesBurst;
		this.open = false;
	}

	get sentCount() {
		return this.#sent.size;
	}

	// onAnswer: called with the answer before the next message is looked at; a promise would come later.
	// `message`: an object, or the text of one with at least one member. Resolves to the answer, or to TOO_BIG.
	request(message, { timeoutMs, lost, rejectOffline = false, onAnswer }) {
		return new Promise((resolve, reject) => {
			// What belongs to a connection is bounded by what the application holds.
			if (lost !== LOST.DROP && this.#waiting.length >= this.queueMax) {
				reject(new RealtimeError('queue_full', `${this.queueMax} messages wait to be sent already`));
				return;
			}
			const id = ++this.#lastId, text = typeof message === 'string' ? message : JSON.stringify(message);
			const entry = { id, text: `${text.slice(0, -1)},"id":${id}}`, lost, rejectOffline, onAnswer, resolve, reject, refused: 0 };
			if (timeoutMs) entry.timer = setTimeout(() => this.#timeOut(entry, timeoutMs), Math.min(timeoutMs, DELAY_MAX_MS));
			this.#waiting.push(entry);
			this.flush();
		});
	}

	#timeOut(entry, timeoutMs) {
		const at = this.#waiting.indexOf(entry), wasSent = this.#sent.delete(entry.id);
		if (at >= 0) this.#waiting.splice(at, 1);
		if (wasSent && entry.lost === LOST.UNKNOWN) entry.reject(unknownError(new TimeoutError('timeout', `no answer within ${timeoutMs} ms`)));
		else entry.reject(new TimeoutError('timeout', `no answer within ${timeoutMs} ms${wasSent ? '' : ', it was not sent'}`));
	}

	// The connection is there. What `first` asks for goes before what has been waiting.
	start(first, maxMessage = Infinity) {
		this.maxMessage = maxMessage;
		const before = this.#waiting;
		this.#waiting = [];
		this.#tokens = this.messagesBurst;
		first();
		this.#waiting.push(...before);
		this.open = true;
		this.flush();
	}

	flush() {
		while (this.open && this.#waiting.length && this.#takeToken()) {
			const entry = this.#waiting.shift();
			if (byteLengthIsAbove(entry.text, this.maxMessage)) {
				clearTimeout(entry.timer);
				entry.resolve(TOO_BIG);
				continue;
			}
			this.#sent.set(entry.id, entry);
			this.send(entry.text);
		}
	}

	// The server refuses what comes faster, and would then do the rest out of order.
	#takeToken() {
		const at = now();
		this.#tokens = Math.min(this.messagesBurst, this.#tokens + ((at - this.#refilledAt) * this.messagesPerSecond) / 1000);
		this.#refilledAt = at;
		if (this.#tokens >= 1) {
			this.#tokens -= 1;
			return true;
		}
		this.#resumeIn(Math.ceil((1000 * (1 - this.#tokens)) / this.messagesPerSecond));
		return false;
	}

	#resumeIn(ms) {
		this.#timer ??= setTimeout(() => {
			this.#timer = undefined;
			this.flush();
		}, ms);
	}

	// An answer; false: nobody waits for it.
	answer(message) {
		const entry = this.#sent.get(message.id);
		if (!entry) return false;
		this.#sent.delete(message.id);
		if (message.type === 'error' && message.status === RATE_LIMITED && ++entry.refused <= RATE_LIMITED_MAX) {
			this.#tokens = 0;
			this.#refilledAt = now() + PAUSE_MS;
			const at = this.#waiting.findIndex(({ id }) => id > entry.id);
			this.#waiting.splice(at < 0 ? this.#waiting.length : at, 0, entry);
			this.#resumeIn(PAUSE_MS);
			return true;
		}
		clearTimeout(entry.timer);
		if (message.type === 'error') entry.reject(errorOf(message));
		else {
			entry.onAnswer?.(message);
			entry.resolve(message);
		}
		return true;
	}

	// The connection is gone.
	lose(cause) {
		this.open = false;
		clearTimeout(this.#timer);
		this.#timer = undefined;
		const again = [];
		for (const entry of this.#sent.values())
			if (entry.lost === LOST.AGAIN) again.push(entry);
			else if (entry.lost === LOST.UNKNOWN) this.#reject(entry, unknownError(cause));
			else this.#reject(entry, cause);
		this.#sent.clear();
		this.#rejectWaiting(entry => entry.lost === LOST.DROP, () => cause);
		this.#waiting.unshift(...again);
	}

	// It will not be back soon: those who would rather know than wait.
	rejectOffline(errorOfEach) {
		this.#rejectWaiting(entry => entry.rejectOffline, errorOfEach);
	}

	rejectAll(errorOfEach) {
		this.lose(errorOfEach());
		this.#rejectWaiting(() => true, errorOfEach);
	}

	#rejectWaiting(fits, errorOfEach) {
		const rejected = this.#waiting.filter(fits);
		this.#waiting = this.#waiting.filter(entry => !fits(entry));
		for (const entry of rejected) this.#reject(entry, errorOfEach());
	}

	#reject(entry, error) {
		clearTimeout(entry.timer);
		entry.reject(error);
	}
}
