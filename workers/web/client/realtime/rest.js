// rest.js: the same server over HTTP: what has no message, writes too large for one, and writes that may be repeated.
import { RealtimeError, TimeoutError, errorOf, unknownError } from './errors.js';
import { DELAY_MAX_MS, backoffMs, now } from './time.js';

const REPEAT_MIN_MS = 100, REPEAT_MAX_MS = 2000;

export class RestClient {
	#underway = new Map(); // AbortController of a request, or of a pause between two → why it was aborted: older browsers do not keep that
	#closes = 0;

	constructor({ base, fetch, tokens, timeoutMs }) {
		Object.assign(this, { base, fetch, tokens, timeoutMs });
	}

	documentPath(service, id, rest = '') {
		return `/v1/services/${encodeURIComponent(service)}/documents${id === undefined ? '' : `/${encodeURIComponent(id)}`}${rest}`;
	}

	// Resolves to {status, body}. timeoutMs: 0: no limit. A lost answer to a write with a key is asked for again: the server does it once.
	async request(method, path, { query = {}, body, contentType = 'application/json', headers = {}, key, timeoutMs = this.timeoutMs } = {}) {
		const request = { query, body, contentType, headers, key };
		const closes = this.#closes, limitMs = timeoutMs || Infinity;
		let token = await this.#firstToken(), end = now() + limitMs, renewed = false;
		for (let repeats = 0; ; ) {
			try {
				return await this.#once(method, path, { ...request, token, timeoutMs: Math.max(1, Math.ceil(end - now())) });
			} catch (error) {
				// A 401 comes before anything is done: any write may be repeated, too. Once.
				if (error.status === 401 && !renewed) {
					renewed = true;
					token = await this.#otherToken(token, error);
					end = now() + limitMs;
					continue;
				}
				const delayMs = backoffMs(REPEAT_MIN_MS, REPEAT_MAX_MS, repeats++);
				if (key === undefined || error.code !== 'outcome_unknown' || now() + delayMs >= end || closes !== this.#closes) throw error;
				await this.#pause(delayMs, error);
			}
		}
	}

	async #firstToken() {
		try {
			return await this.tokens.get();
		} catch (cause) {
			if (cause?.code === 'closed') throw cause;
			throw new RealtimeError('token_failed', `getToken() failed: ${cause?.message ?? cause}`, { cause });
		}
	}

	// Instead of the one that was refused; where there is no other, the refusal stands.
	async #otherToken(refused, refusal) {
		let token = this.tokens.held;
		try {
			// None is held while the connection, refused too, asks for another.
			if ((token === refused || token === undefined) && this.tokens.renewable) token = await this.tokens.renew();
		} catch (cause) {
			refusal.cause ??= cause;
			throw refusal;
		}
		if (token === refused || token === undefined) throw refusal;
		return token;
	}

	async #once(method, path, { query, body, contentType, headers, key, token, timeoutMs }) {
		const url = new URL(this.base + path);
		for (const [name, value] of Object.entries(query)) if (value !== undefined) url.searchParams.set(name, value);
		const all = { Accept: 'application/json, application/problem+json', ...headers };
		if (body !== undefined) all['Content-Type'] = contentType;
		if (token !== undefined) all.Authorization = `Bearer ${token}`;
		if (key !== undefined) all['Idempotency-Key'] = key;
		const control = this.#begin(), timer = setTimeout(() => this.#abort(control, new TimeoutError('timeout', `no answer within ${timeoutMs} ms`)), Math.min(timeoutMs, DELAY_MAX_MS));
		let response, text;
		try {
			response = await this.fetch(url.href, { method, headers: all, body, signal: control.signal, cache: 'no-store' });
			text = await response.text();
		} catch (cause) {
			const fault = this.#underway.get(control) ?? new RealtimeError('unreachable', `the server cannot be reached: ${cause.cause?.message || cause.message}`, { cause });
			throw method === 'GET' ? fault : unknownError(fault);
		} finally {
			clearTimeout(timer);
			this.#underway.delete(control);
		}
		return { status: response.status, body: this.#read(response, text) };
	}

	#begin() {
		const control = new AbortController();
		this.#underway.set(control, undefined);
		return control;
	}

	#abort(control, fault) {
		this.#underway.set(control, fault);
		control.abort();
	}

	// Rejects with that error when the client is closed meanwhile.
	#pause(ms, error) {
		const control = this.#begin();
		const paused = new Promise((resolve, reject) => {
			const timer = setTimeout(resolve, ms);
			control.signal.addEventListener('abort', () => {
				clearTimeout(timer);
				reject(error);
			});
		});
		return paused.finally(() => this.#underway.delete(control));
	}

	// What is under way is given up, and not repeated. Later requests are as good as before.
	close(error) {
		this.#closes++;
		for (const control of this.#underway.keys()) this.#abort(control, error);
	}

	#read(response, text) {
		let body;
		try {
			body = text ? JSON.parse(text) : undefined;
		} catch (cause) {
			if (response.ok) throw new RealtimeError('invalid_answer', 'the server answered with what is no JSON', { status: response.status, cause });
		}
		if (response.ok) return body;
		// A proxy's own pages have no code.
		throw errorOf({ code: 'http_error', message: `the server answered ${response.status}`, ...(body?.code ? { message: undefined, ...body } : {}), status: response.status });
	}
}
