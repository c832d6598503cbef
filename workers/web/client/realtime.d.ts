// realtime.d.ts: types of the client of syncdoc.

export type JsonValue = null | boolean | number | string | JsonValue[] | { [name: string]: JsonValue };
export type JsonObject = { [name: string]: JsonValue };

export type ReturnMode = 'full' | 'diff' | 'both';
export type Outcome = 'live' | 'replayed' | 'snapshot';
export type State = 'connecting' | 'open' | 'reconnecting' | 'closed';

/** A document as the server answers it. Times are Unix milliseconds. */
export interface Envelope<T = JsonObject> {
	revision: number;
	updatedAt: number;
	createdAt: number;
	expiresAt?: number;
	deleted?: true;
	service: string;
	id: string;
	data: T;
}

/** Paths are member names joined by `.`; a `.` or `\` in a name is written `\.` or `\\`. */
export interface Diff {
	added: { [path: string]: JsonValue };
	removed: string[];
	changed: { [path: string]: { from: JsonValue; to: JsonValue } };
}

export interface Revision {
	revision: number;
	op: string;
	at: number;
	by?: string;
	/** Absent where the entry was too large to be kept. */
	diff?: Diff;
	[name: string]: unknown;
}

export interface DocumentPayload<T = JsonObject> {
	service: string;
	documentId: string;
	revision: number;
	/** The event stands for all revisions above this one. */
	fromRevision?: number;
	by?: string;
	connectionId?: string;
	deleted?: true;
	data?: T;
	diff?: Diff;
}

export interface RealtimeEvent<P = DocumentPayload> {
	type: 'event';
	topic: string;
	source: string;
	timestamp: number;
	position: string;
	payload: P;
}

export interface Resync {
	topic?: string;
	service?: string;
	documentId?: string;
	documentPrefix?: string;
	/** The server's (`slow`, `lapped`, `gap`, `large`, `history`, `failover`, `rollback`), or the client's (`snapshot`, `hole`, `misfit`, `reconnect`). */
	reason: string;
	/** The document as it is now, where it is known. */
	document?: Envelope | null;
	/** true: the client gets what was missed by itself. false: read again what you hold of it. */
	recovering: boolean;
	cause?: unknown;
}

export class RealtimeError extends Error {
	code: string;
	/** As of HTTP; 0: the server has not answered. */
	status: number;
	currentRevision?: number;
	document?: Envelope;
	cause?: unknown;
	/** What else the answer said, such as `failedOp` or `oldestRevision`. */
	[name: string]: unknown;
}
export class ConflictError extends RealtimeError {
	currentRevision: number;
}
export class NotFoundError extends RealtimeError {}
export class GoneError extends RealtimeError {}
export class AuthError extends RealtimeError {}
export class OfflineError extends RealtimeError {}
export class OutcomeUnknownError extends RealtimeError {}
export class TimeoutError extends RealtimeError {}

type Off = () => void;
type Listener<A> = (value: A) => unknown;

declare class Emitter<E> {
	/** Returns a function that takes the listener off. */
	on<N extends keyof E & string>(name: N, listener: Listener<E[N]>): Off;
	once<N extends keyof E & string>(name: N, listener: Listener<E[N]>): Off;
	off<N extends keyof E & string>(name: N, listener?: Listener<E[N]>): void;
	listenerCount(name: string): number;
}

/* ---- documents ---- */

export interface RequestOptions {
	timeoutMs?: number;
}
export interface WriteOptions extends RequestOptions {
	/** The write goes by REST and is repeated until its outcome is known; `true`: the key is made here. */
	idempotencyKey?: string | true;
}
export interface ConditionOptions extends WriteOptions {
	expectedRevision?: number;
}
/** `ttl` in seconds, `expiresAt` in Unix ms, not both; null removes; absent leaves it as it is. */
export interface ExpiryOptions {
	ttl?: number | null;
	expiresAt?: number | null;
}
export interface MutateOptions extends WriteOptions, ExpiryOptions {
	/** How often it is tried again when others were faster; 10. */
	maxRetries?: number;
	/** What to begin with where there is no living document; without it that is an error. */
	initial?: object;
}
export interface PageOptions extends RequestOptions {
	pageSize?: number;
	pageToken?: string;
}
export interface ListOptions extends PageOptions {
	order?: 'updated' | 'id';
	prefix?: string;
	deleted?: boolean;
	data?: boolean;
}
export interface PatchOperation {
	op: 'add' | 'remove' | 'replace' | 'move' | 'copy' | 'test';
	path: string;
	from?: string;
	value?: unknown;
}
type Mutation<T> = (data: T, envelope: Envelope<T>) => T | void | undefined | Promise<T | void | undefined>;

export interface Sync {
	create<T = JsonObject>(service: string, data?: T, options?: { id?: string } & WriteOptions & ExpiryOptions): Promise<Envelope<T>>;
	get<T = JsonObject>(service: string, id: string, options?: { revision?: number; deleted?: boolean } & RequestOptions): Promise<Envelope<T>>;
	replace<T = JsonObject>(service: string, id: string, data: T, options?: ConditionOptions & ExpiryOptions): Promise<Envelope<T>>;
	/** RFC 7396: null removes a member. */
	merge<T = JsonObject>(service: string, id: string, data: object, options?: ConditionOptions & ExpiryOptions): Promise<Envelope<T>>;
	/** RFC 6902: all operations, or none. */
	patch<T = JsonObject>(service: string, id: string, operations: PatchOperation[], options?: ConditionOptions & ExpiryOptions): Promise<Envelope<T>>;
	delete<T = JsonObject>(service: string, id: string, options?: ConditionOptions): Promise<Envelope<T>>;
	restore<T = JsonObject>(service: string, id: string, revision: number, options?: ConditionOptions & ExpiryOptions): Promise<Envelope<T>>;
	/** `fn` gets a copy: it changes it, or returns new data. It is called again when somebody else was faster. */
	mutate<T = JsonObject>(service: string, id: string, fn: Mutation<T>, options?: MutateOptions): Promise<Envelope<T>>;
	history(service: string, id: string, options?: PageOptions): Promise<{ revisions: Revision[]; nextPageToken?: string }>;
	list<T = JsonObject>(service: string, options?: ListOptions): Promise<{ items: (Omit<Envelope<T>, 'data'> & { data?: T })[]; nextPageToken?: string }>;
	services(options?: RequestOptions): Promise<{ service: string; documents: number }[]>;
	batchGet<T = JsonObject>(service: string, ids: string[], options?: RequestOptions): Promise<Envelope<T>[]>;
}

export type ChangeType = 'created' | 'updated' | 'deleted' | 'expired';
export interface DocumentChange<T = JsonObject> {
	type: ChangeType;
	data: T | null;
	revision: number;
	updatedAt?: number;
	/** Absent where the document was read as a whole. */
	diff?: Diff;
	/** Made over this connection. */
	isOwn: boolean;
	/** The document was read as a whole; several revisions may lie between. */
	snapshot?: true;
	/** No trace of it is left. */
	purged?: true;
	payload?: DocumentPayload<T>;
	document: LiveDocument<T>;
}
interface DocumentEvents<T> {
	created: DocumentChange<T>;
	updated: DocumentChange<T>;
	deleted: DocumentChange<T>;
	expired: DocumentChange<T>;
	changed: DocumentChange<T>;
	presence: PresencePayload;
	resync: Resync;
	error: RealtimeError;
	closed: LiveDocument<T>;
}

/** A document that keeps itself current. */
export class LiveDocument<T = JsonObject> extends Emitter<DocumentEvents<T>> {
	private constructor();
	readonly service: string;
	readonly id: string;
	/** To be read only; null: there is none. A deleted one keeps its last data. */
	readonly data: T | null;
	readonly revision: number;
	readonly createdAt?: number;
	readonly updatedAt?: number;
	readonly deleted: boolean;
	readonly exists: boolean;
	readonly isClosed: boolean;
	readonly ready: Promise<this>;
	refresh(): Promise<this>;
	create(data: T, options?: WriteOptions & ExpiryOptions): Promise<Envelope<T>>;
	replace(data: T, options?: ConditionOptions & ExpiryOptions): Promise<Envelope<T>>;
	merge(data: object, options?: ConditionOptions & ExpiryOptions): Promise<Envelope<T>>;
	patch(operations: PatchOperation[], options?: ConditionOptions & ExpiryOptions): Promise<Envelope<T>>;
	delete(options?: ConditionOptions): Promise<Envelope<T>>;
	restore(revision: number, options?: ConditionOptions & ExpiryOptions): Promise<Envelope<T>>;
	mutate(fn: Mutation<T>, options?: MutateOptions): Promise<Envelope<T>>;
	history(options?: PageOptions): Promise<{ revisions: Revision[]; nextPageToken?: string }>;
	close(): void;
}

/* ---- subscriptions ---- */

export interface SubscribeOptions {
	/** `sync.{service}.{created|updated|deleted|expired|presence}`, with `*` for either. */
	topic: string;
	returnMode?: ReturnMode;
	documentId?: string;
	documentPrefix?: string;
	/** With a documentId the document is read too, so that the subscription can be resumed; false: not the first time. */
	snapshot?: boolean;
	presence?: boolean;
	since?: { createdAt: number; revision: number; updatedAt?: number };
	after?: string;
}
export interface Subscribed {
	outcome: Outcome;
	position: string;
	document?: Envelope | null;
}
interface SubscriptionEvents {
	event: RealtimeEvent;
	subscribed: Subscribed & { resumed: boolean };
	snapshot: Envelope | null;
	resync: Resync;
	error: RealtimeError;
}
export interface Subscription extends Emitter<SubscriptionEvents> {
	readonly topic: string;
	readonly documentId?: string;
	readonly documentPrefix?: string;
	readonly returnMode: ReturnMode;
	/** Of the newest answer to it. */
	readonly outcome?: Outcome;
	readonly document?: Envelope | null;
	/** For `after` of a later subscribe(). */
	readonly position?: string;
	readonly isActive: boolean;
	/** The first answer. Need not be awaited. */
	readonly ready: Promise<Subscribed>;
	unsubscribe(): void;
}

/* ---- presence ---- */

export type PresenceMode = 'viewing' | 'editing';
export interface Member {
	userId: string;
	connectionId: string;
	mode: PresenceMode | null;
	data: JsonObject;
	since: number;
	updatedAt: number;
}
export interface PresencePayload {
	service: string;
	documentId: string;
	joined: Member[];
	updated: Member[];
	left: { userId: string; connectionId: string }[];
	/** Users, not connections. */
	count: number;
}
export interface PresenceChange extends PresencePayload {
	/** All who are there now. */
	members: Member[];
}
export interface PresenceOptions extends RequestOptions {
	mode?: PresenceMode;
	/** Up to 1 KiB of JSON. */
	data?: object;
}
export interface PresenceAnswer {
	service: string;
	documentId: string;
	count: number;
	member: Member;
}
export interface Presence {
	join(service: string, documentId: string, options?: PresenceOptions): Promise<PresenceAnswer>;
	update(service: string, documentId: string, options?: PresenceOptions): Promise<PresenceAnswer>;
	leave(service: string, documentId: string, options?: RequestOptions): Promise<{ service: string; documentId: string; count: number }>;
	list(service: string, documentId: string, options?: RequestOptions): Promise<{ service: string; documentId: string; count: number; members: Member[] }>;
	/** Called first with those who are there, then at each change. */
	on(service: string, documentId: string, listener: Listener<PresenceChange>): Off;
	on(name: 'change', listener: Listener<PresenceChange>): Off;
}

/* ---- the client ---- */

/** The global WebSocket, or the one of the package `ws`. */
export type WebSocketClass = new (url: string, protocols?: string[]) => object;

export interface RealtimeOptions {
	token?: string;
	/** Asked before the first connection, before the token ends, and when the server refuses it; given up after `tokenTimeoutMs`. */
	getToken?: () => string | Promise<string>;
	WebSocket?: WebSocketClass;
	fetch?: typeof globalThis.fetch;
	/** Writes without a connection: refused at once (OfflineError), or done in their order when it is back. */
	offline?: 'reject' | 'queue';
	autoConnect?: boolean;
	timeoutMs?: number;
	tokenTimeoutMs?: number;
	connectTimeoutMs?: number;
	heartbeatMs?: number;
	pongTimeoutMs?: number;
	reconnectMinMs?: number;
	reconnectMaxMs?: number;
	queueMax?: number;
	messagesPerSecond?: number;
	messagesBurst?: number;
	trackedMax?: number;
}

interface Details {
	connecting: {};
	open: { connectionId: string; server: string };
	reconnecting: { delayMs: number; attempt: number; code: number; reason: string; error?: Error };
	closed: { code: number; reason: string; error?: RealtimeError };
}
type StateEvent = { [S in State]: { state: S } & Details[S] }[State];
export interface RealtimeEvents extends Details {
	state: StateEvent;
	goaway: { retryAfterMs: number };
	resync: Resync;
	subscribed: Subscribed & { topic: string; documentId?: string; documentPrefix?: string; resumed: boolean };
	error: RealtimeError;
}
type PresenceTopic = `event:sync.${string}.presence`;
type EventTopic = `event:${string}`;

export class Realtime extends Emitter<RealtimeEvents> {
	/** `url`: http, https, ws or wss; in a browser also a path, or nothing: the page's own server. */
	constructor(url?: string, options?: RealtimeOptions);
	readonly url: string;
	readonly state: State;
	readonly connectionId?: string;
	readonly sync: Sync;
	readonly presence: Presence;
	/** `event:sync.session.updated`; `*` for the service, for the event, or alone for all. */
	on(name: PresenceTopic, listener: Listener<RealtimeEvent<PresencePayload>>): Off;
	on<T = JsonObject>(name: EventTopic, listener: Listener<RealtimeEvent<DocumentPayload<T>>>): Off;
	on<N extends keyof RealtimeEvents>(name: N, listener: Listener<RealtimeEvents[N]>): Off;
	once(name: PresenceTopic, listener: Listener<RealtimeEvent<PresencePayload>>): Off;
	once<T = JsonObject>(name: EventTopic, listener: Listener<RealtimeEvent<DocumentPayload<T>>>): Off;
	once<N extends keyof RealtimeEvents>(name: N, listener: Listener<RealtimeEvents[N]>): Off;
	off(name: EventTopic, listener?: Listener<any>): void;
	off<N extends keyof RealtimeEvents>(name: N, listener?: Listener<RealtimeEvents[N]>): void;
	connect(): Promise<this>;
	close(): void;
	setToken(token: string): Promise<void>;
	subscribe(options: SubscribeOptions): Subscription;
	document<T = JsonObject>(service: string, id: string, options?: { returnMode?: ReturnMode; presence?: boolean }): Promise<LiveDocument<T>>;
}
export default Realtime;

/** New data; unchanged parts are shared with the old. RangeError: the diff was made against other data. */
export function applyDiff<T extends object = JsonObject>(data: object, diff: Partial<Diff>): T;
/** 'a.b\.c' → ['a', 'b.c'] */
export function splitPath(path: string): string[];
export function joinPath(names: (string | number)[]): string;
