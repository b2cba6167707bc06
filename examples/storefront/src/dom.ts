// How are elements made and changed without a framework?

type Child = Node | string | null | undefined | false;
type Attributes = Record<string, string | number | boolean | null | undefined | ((event: Event) => void)>;

/** Make an element. `onclick: f` listens, `true` sets a bare attribute, `false`, null and undefined leave it out. */
export function h<Tag extends keyof HTMLElementTagNameMap>(
  tag: Tag,
  attributes: Attributes = {},
  ...children: Child[]
): HTMLElementTagNameMap[Tag] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(name.replace(/^on/, ""), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, String(value));
  }
  element.append(...children.filter((child): child is Node | string => Boolean(child)));
  return element;
}

export function byId(id: string): HTMLElement {
  const element = document.getElementById(id);
  if (!element) throw new Error(`no #${id} in this page`);
  return element;
}

/** Show other children; whoever had the focus, by its id, has it again. */
export function refill(container: HTMLElement, ...children: Child[]): void {
  const focused = container.contains(document.activeElement) ? document.activeElement?.id : undefined;
  container.replaceChildren(...children.filter((child): child is Node | string => Boolean(child)));
  if (focused) document.getElementById(focused)?.focus();
}

/** Change a text, and make it flash when it was another one before. */
export function setText(element: HTMLElement, text: string): void {
  if (element.textContent === text) return;
  const isFirst = element.textContent === "";
  element.textContent = text;
  if (isFirst) return;
  element.classList.remove("moved");
  void element.offsetWidth; // starts the animation again
  element.classList.add("moved");
}

/** A short message at the edge of the window, read aloud by screen readers. */
export function toast(message: string): void {
  const shown = h("p", { class: "toast" }, message);
  byId("toasts").append(shown);
  setTimeout(() => shown.remove(), 6000);
}

export function alertBox(message: string, ...actions: Node[]): HTMLElement {
  return h("div", { class: "alert", role: "alert" }, h("p", {}, message), ...actions);
}

export function picture(media: { url: string; altText: string } | null | undefined, size: number): HTMLElement {
  if (!media) return h("div", { class: "picture empty", "aria-hidden": "true" });
  return h("img", { class: "picture", src: media.url, alt: media.altText, width: size, height: size, loading: "lazy" });
}
