// token.js: the token that proves who this is, and when to ask for the next one.
import { TimeoutError } from './errors.js';
import { DELAY_MAX_MS } from './time.js';

const REFRESH_MS = 60000; // before it ends, at most; a quarter of its life if that is less
const REFRESH_MIN_MS = 500; // getToken() may give one that has nearly ended
const AHEAD_MS = 10000; // the server took one that has ended by this clock: it goes wrong, and says nothing

// When a JSON Web Token ends, in ms; undefined: it does not say, or is of another kind.
export function expiryOf(token) {
	try {
		const text = atob(String(token).split('.')[1].replace(/-/g, '+').replace(/_/g, '/'));
		const { exp } = JSON.parse(text);
		return Number.isFinite(exp) ? exp * 1000 : undefined;
	} catch {
		return undefined;
	}
}

export class Tokens {
	#held;
	#asking;
	#giveUp; // rejects that

	constructor({ token, getToken, tokenTimeoutMs }) {
		this.#held = token;
		Object.assign(this, { getToken, tokenTimeoutMs });
	}

	get needed() {
		return this.#held !== undefined || this.getToken !== undefined;
	}

	// Can another one be had?
	get renewable() {
		return this.getToken !== undefined;
	}

	// What get() would give, if nothing has to be asked for.
	get held() {
		return this.#held;
	}

	set(token) {
		this.#held = token;
	}

	// What was held is of no use any more.
	forget() {
		if (this.getToken) this.#held = undefined;
	}

	// undefined: none is needed.
	async get() {
		const end = expiryOf(this.#held);
		if (this.getToken && (this.#held === undefined || (end !== undefined && end <= Date.now()))) return this.renew();
		return this.#held;
	}

	// All who ask meanwhile get the same one.
	renew() {
		if (this.#asking) return this.#asking;
		const asking = this.#ask().finally(() => {
			if (this.#asking === asking) this.#asking = undefined;
		});
		return (this.#asking = asking);
	}

	// What comes too late is of no use; the next who needs one asks anew.
	async #ask() {
		let timer, giveUp;
		const end = new Promise((resolve, reject) => {
			this.#giveUp = giveUp = reject;
			timer = setTimeout(() => reject(new TimeoutError('timeout', `it gave none within ${this.tokenTimeoutMs} ms`)), this.tokenTimeoutMs);
		});
		let token;
		try {
			token = await Promise.race([this.getToken(), end]);
		} finally {
			clearTimeout(timer);
			if (this.#giveUp === giveUp) this.#giveUp = undefined;
		}
		if (typeof token !== 'string' || !token) throw new TypeError('getToken() must give a text');
		this.#held = token;
		return token;
	}

	// The client is closed: who waits is told. Who asks from now on asks anew.
	close(error) {
		this.#giveUp?.(error);
		this.#giveUp = this.#asking = undefined;
	}

	// ms until the next one should be asked for; undefined: never. `endsAt`: what the server says of it, which knows more kinds of tokens.
	refreshInMs(endsAt) {
		const end = endsAt ?? expiryOf(this.#held);
		if (end === undefined || !this.getToken) return undefined;
		const left = end - Date.now();
		if (left <= 0) return AHEAD_MS;
		return Math.min(DELAY_MAX_MS, Math.max(REFRESH_MIN_MS, left - Math.min(REFRESH_MS, left / 4)));
	}
}
