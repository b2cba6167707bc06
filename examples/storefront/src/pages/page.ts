// What is a page?

/** Fetches what it shows; throws `Trouble` when there is nothing to show. */
export type Page = () => Promise<Shown>;

export interface Shown {
  title: string;
  content: Node[];
  /** Stops what the page follows. */
  leave?: () => void;
}
