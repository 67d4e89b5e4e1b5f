// What one command, one row and one catalog may hold. All are hard: beyond them a command is refused.

/** Operations of one command: one revision stays one message. */
export const MAX_OPS = 1024;

/** Bytes of one command: one entry of the log. */
export const MAX_COMMAND_BYTES = 512 * 1024;

/** Events of one command: their ordinal is a u16 in the feed's key. */
export const MAX_EVENTS = 0xffff;

/** Bytes of one command's events; a reader takes messages of twice that. */
export const MAX_EVENT_BYTES = 16 * 1024 * 1024;

/** A broker has tens of copies in flight; a thousand open ones are a leak. */
export const MAX_OPEN_INTENTS = 1024;

/** S3 takes 10,000 parts under one id; a copy that began so many uploads is broken. */
export const MAX_UPLOAD_IDS = 64;

/** S3's limit of a key. */
export const MAX_KEY_BYTES = 1024;

/** KIP-405 leaves it open; Kafka's own topic-based home keeps records well below 1 MiB. */
export const MAX_CUSTOM_METADATA_BYTES = 4096;

export const MAX_STORE_PREFIXES = 64;

/** Answers kept per client. */
export const ANSWER_WINDOW = 1024n;

export const MAX_SESSIONS = 10_000;

/** A broker that restarted so often since has no older process left. */
export const MAX_INSTANCES = 16;

export const MAX_CLUSTERS = 1000;

/** Texts that people or processes choose: names, reasons, evidence. */
export const MAX_TEXT_BYTES = 1024;

/** A share of the erase queue is taken for minutes. */
export const MAX_LEASE_MS = 600_000n;

/** Waits between erase passes: HDFS asks for 24 h, nobody for more than a month. */
export const MAX_WAIT_MS = 2_678_400_000n;
