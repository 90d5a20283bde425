"""Disconnecting before one's eyes: an operator can, on the other bridge too, and a viewer cannot."""

from playwright.async_api import expect

from tests.browser.pages import Console
from tests.clients import attached

POST = """async () => {
    const token = document.querySelector("[name=csrfmiddlewaretoken]").value;
    const session = document.getElementById("session").dataset.session;
    const answer = await fetch(`${location.pathname}/disconnect`, {
        method: "POST",
        headers: { "X-CSRFToken": token },
        body: new URLSearchParams({ reason: "x", session }),
    });
    return answer.status;
}"""


async def test_a_session_closes_before_the_eyes_of_an_operator(console: Console) -> None:
    async with attached(console.neighbour, "herald", "mail:*") as herald:
        async with console.page("operator") as page, console.page("viewer") as looking:
            await page.goto("/admin/console/services/herald")
            await page.click("table tbody a")
            await looking.goto(page.url)
            await expect(looking.locator("#state")).to_have_text("attached")
            await expect(looking.get_by_role("button", name="Disconnect")).to_have_count(0)
            await page.fill("#reason", "it floods")
            await page.get_by_role("button", name="Disconnect and send away").click()
            await expect(page.get_by_text("is disconnected")).to_be_visible()
            await expect(looking.locator("#state")).to_have_text("has left")
        assert await herald.close_code() == 4441


async def test_a_viewer_who_posts_it_all_the_same_is_refused(console: Console) -> None:
    async with attached(console.neighbour, "atlas") as atlas:
        async with console.page("viewer", allowed=("403 (Forbidden)",)) as page:
            await page.goto("/admin/console/services/atlas")
            await page.click("table tbody a")
            await expect(page.locator("#state")).to_have_text("attached")
            # Its form to log out has the token that the browser sends with what it posts.
            assert await page.evaluate(POST) == 403
        assert await atlas.is_well()
