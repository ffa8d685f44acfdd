// The page inside PocketBase's dashboard, which runs this file once, as the body of an async function.
//
// It only says where the page is. What is heavy comes with the first visit, so the dashboard starts as quickly as
// before, and a file that PocketBase's two-week cache has kept still loads the modules of today.

const name = "processman";
const folder = new URL(`extensions/${name}/`, document.baseURI);
const route = "#/processes";

app.store.headerLinks.push({ href: route, icon: "ri-terminal-box-line", label: "Processes" });
app.routes.superuserOnly(route, async () => {
  const { page } = await import(new URL("pocketbase.js", folder));
  return page(app, folder);
});
