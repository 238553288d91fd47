// Types of cdp.js.

/** What a slot shows. */
export interface CdpBlock {
  content: string | null;
  variant?: string;
  locale?: string;
  decision_id?: string;
  reasons: string[];
  tags?: string[];
  metadata?: Record<string, unknown>;
  missing_purpose?: string;
  html?: string;
  data?: Record<string, unknown>;
}

/** The `detail` of "cdp" events on the document. */
export type CdpDetail =
  | { type: "error"; message: string }
  | { type: "content"; slot: string; block: CdpBlock; element: HTMLElement }
  | {
      type: "Viewed" | "Clicked" | "Dismissed";
      slot: string;
      decision_id: string;
      content: string;
      variant: string;
    };

/** Every call resolves, to false where it went wrong. */
export interface Cdp {
  load(): Promise<Record<string, CdpBlock> | false>;
  track(name: string, properties?: Record<string, unknown>): Promise<boolean>;
  identify(
    userId: string,
    traits?: Record<string, unknown>,
  ): Promise<Record<string, CdpBlock> | false>;
  consent(given: Record<string, boolean>): Promise<Record<string, CdpBlock> | false>;
  personalize(wanted: boolean): Promise<Record<string, CdpBlock> | false>;
  push(options?: { key?: string; worker?: string }): Promise<boolean>;
}

declare global {
  interface Window {
    cdp?: Cdp;
  }
  interface DocumentEventMap {
    cdp: CustomEvent<CdpDetail>;
  }
}
