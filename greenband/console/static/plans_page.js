import { ask, byId } from "./live.js";
import "./times.js";

const dialog = byId("rollback");
let chosen = null;
for (const button of document.querySelectorAll("[data-rollback]")) {
  button.addEventListener("click", () => {
    chosen = button.dataset;
    byId("rollback-words").textContent = `${chosen.site} gets ${chosen.name} (number ${chosen.rollback}) once more, under a new number.`;
    byId("rollback-reason").value = "";
    dialog.showModal();
    byId("rollback-reason").focus();
  });
}
dialog.querySelector("[data-close]").addEventListener("click", () => dialog.close("no"));
dialog.addEventListener("close", async () => {
  if (dialog.returnValue !== "go" || !chosen) return;
  const reason = byId("rollback-reason").value;
  try {
    const said = await ask("POST", `/v1/sites/${encodeURIComponent(chosen.site)}/plans:rollback`, { sequence_no: Number(chosen.rollback), reason });
    byId("said").textContent = `${said.site} has answered: number ${said.sequence_no} is ${said.state}. Loading the page anew …`;
    setTimeout(() => location.reload(), 1500);
  } catch (error) {
    byId("said").textContent = error.message;
  }
});
