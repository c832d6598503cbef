// errors.js: what a call can be refused with. Every error has `code` (the server's, or one of those here) and `status` (0: no answer).

export class RealtimeError extends Error {
	// more: other members of the server's answer, such as `failedOp` or `oldestRevision`
	constructor(code, message, { status = 0, cause, ...more } = {}) {
		super(message, cause === undefined ? undefined : { cause });
		this.code = code;
		this.status = status;
		for (const [name, value] of Object.entries(more)) if (!(name in this)) this[name] = value;
	}

	get name() {
		return this.constructor.name;
	}
}

// The document is not at the revision the write was meant for (409, 412), or lives already: `currentRevision`, `document`.
export class ConflictError extends RealtimeError {}
// 404
export class NotFoundError extends RealtimeError {}
// 410: deleted or expired; `currentRevision`, where the server says it
export class GoneError extends RealtimeError {}
// 401, 403
export class AuthError extends RealtimeError {}
// Not sent: there is no connection. Surely not done.
export class OfflineError extends RealtimeError {}
// Sent, but the answer is lost: it may have been done or not.
export class OutcomeUnknownError extends RealtimeError {}
// No answer in time; a write that was sent gets OutcomeUnknownError instead.
export class TimeoutError extends RealtimeError {}

function classOf({ code, status, currentRevision }) {
	if (code === 'outcome_unknown') return OutcomeUnknownError;
	if (status === 410) return GoneError;
	if ((status === 409 || status === 412) && currentRevision !== undefined) return ConflictError;
	if (status === 404) return NotFoundError;
	if (status === 401 || status === 403) return AuthError;
	return RealtimeError;
}

// From an `error` message, or a problem of REST.
export function errorOf({ type, id, title, code = 'error', message, detail, ...more }) {
	return new (classOf({ code, ...more }))(code, message ?? detail ?? title ?? code, more);
}

export const offlineError = () => new OfflineError('offline', 'there is no connection, nothing was sent');
export const unknownError = cause => new OutcomeUnknownError('outcome_unknown', `${cause?.message ?? 'the connection was lost'}: the write may have been done or not`, { cause });
export const closedError = () => new RealtimeError('closed', 'the client was closed');
