/** Of the proofs: runs of whole members. Any other proof is a path of fast tests. */
export const SIMULATOR = 'simulator';

export interface ShellMutant {
  /** What is wrong with it, as an operator would put it. */
  readonly bug: string;
  /** In src/metastore. */
  readonly file: string;
  /** Occurs exactly once. */
  readonly find: string;
  readonly replace: string;
  /** The proof that must fail. */
  readonly noticedBy: string;
}
