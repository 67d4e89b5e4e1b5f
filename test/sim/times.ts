/** Simulated time with faults, in one run of whole members. */
export const FAULTY_MS = 4_500;

/** And in one of the log alone. */
export const LOG_FAULTY_MS = 20_000;
