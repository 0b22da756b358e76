/** The caller's API key: requested if the service requires one, and kept until the tab is closed. */

const PLACE = "glyph-key";

export class KeyForm {
  #form;
  #forget;
  #value = null;

  /**
   * @param {HTMLFormElement} form
   * @param {HTMLButtonElement} forget
   * @param {() => void} onKey called once there is a key
   */
  constructor(form, forget, onKey) {
    this.#form = form;
    this.#forget = forget;
    this.#keep(stored());
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const given = this.#input.value.trim();
      if (!/^[\x21-\x7e]+$/.test(given)) return this.ask("A key has no spaces and no accents.");
      this.#keep(given);
      this.hide();
      onKey();
    });
    forget.addEventListener("click", () => this.#keep(null));
  }

  get value() {
    return this.#value;
  }

  /** Asks for a key. The focus stays where it is: somebody may be drawing. */
  ask(sentence) {
    this.#keep(null);
    this.#form.querySelector("p").textContent = sentence;
    this.#form.hidden = false;
  }

  hide() {
    this.#form.hidden = true;
    this.#input.value = "";
  }

  #keep(value) {
    this.#value = value;
    this.#forget.hidden = value === null;
    try {
      if (value === null) sessionStorage.removeItem(PLACE);
      else sessionStorage.setItem(PLACE, value);
    } catch {
      // Without storage the key lives as long as the page.
    }
  }

  get #input() {
    return this.#form.querySelector("input");
  }
}

function stored() {
  try {
    return sessionStorage.getItem(PLACE);
  } catch {
    return null;
  }
}
