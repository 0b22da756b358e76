/** Which model is asked, and what its classes are called. */

/** Where the service is, which a proxy may have put below a path: this file is two levels below. */
const HOME = new URL("../..", import.meta.url);

export class ModelChoice extends EventTarget {
  #select;
  #prompt;
  #key;
  /** @type {Map<string, Promise<string[]> | string[]>} model and version -> labels */
  #labels = new Map();

  /**
   * @param {HTMLSelectElement} select whose options tell what the page knew when it was made
   * @param {HTMLElement} prompt says what to draw
   * @param {() => string | null} key the caller's API key
   */
  constructor(select, prompt, key) {
    super();
    this.#select = select;
    this.#prompt = prompt;
    this.#key = key;
    for (const option of select.options) {
      const { version, classes } = option.dataset;
      if (version) this.#labels.set(`${option.value} ${version}`, JSON.parse(classes));
    }
    select.addEventListener("change", () => {
      this.#prompt.textContent = this.#chosen.dataset.prompt;
      this.dispatchEvent(new Event("change"));
    });
  }

  /** Where the chosen model predicts. */
  get address() {
    return this.#select.selectedIndex === 0 ? `${HOME}predict` : `${this.#home}/predict`;
  }

  /** The labels that the chosen model is likely to answer with. */
  get expected() {
    return JSON.parse(this.#chosen.dataset.classes);
  }

  /** Gives the labels of a version, which may be newer than the page; none if it cannot. */
  labels({ name, version }) {
    const known = `${name} ${version}`;
    if (!this.#labels.has(known)) this.#labels.set(known, this.#fetch(name, version));
    return this.#labels.get(known);
  }

  async #fetch(name, version) {
    const headers = this.#key() ? { Authorization: `Bearer ${this.#key()}` } : {};
    const url = `${HOME}models/${encodeURIComponent(name)}/versions/${version}`;
    const response = await fetch(url, { headers }).catch(() => null);
    return response?.ok ? ((await response.json()).classes ?? []) : [];
  }

  get #chosen() {
    return this.#select.selectedOptions[0];
  }

  get #home() {
    return `${HOME}models/${encodeURIComponent(this.#select.value)}`;
  }
}
