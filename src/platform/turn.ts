/** Runs `run` once what is ready now has been read and handled: work of one turn is gathered. */
export type NextTurn = (run: () => void) => void;

export const nextTurn: NextTurn = (run) => {
  setImmediate(run);
};
