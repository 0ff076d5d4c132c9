"""Films show the same moment of the same episode side by side, say everything, and point at what
changed and at nothing else."""

import itertools
from dataclasses import replace

import imageio.v3 as imageio
import mujoco
import numpy as np
import pytest
from PIL import Image

from sandbox_envs import UserError, load_scene
from sandbox_envs.eval.agents.scripted import ANYWHERE, sweep
from sandbox_envs.eval.films.changes import OUTLINE, bounding_box, find_changes
from sandbox_envs.eval.films.film import Film, Panel, panel, write_gif
from sandbox_envs.eval.films.layout import BRIGHT, Page, wrap
from sandbox_envs.eval.films.selection import Shot, film_of
from sandbox_envs.eval.judging.reference_store import load_complete
from sandbox_envs.eval.rollouts.episodes import Trajectory, play
from sandbox_envs.view import render
from sandbox_envs.view.camera import find_camera, find_view
from sandbox_envs.view.overlay import INTENDED, PROXIES, font_of

SCRIPTS = {**ANYWHERE, **sweep.SCRIPTS}

SECONDS, WIDTH = 3, 240
ABOUT = "The planter stands open. Its soil fills the pan like any dirt."


def record(scene: str, seeker: str, **texts: str) -> Trajectory:
    overrides = {"episode_seconds": SECONDS, **{f"spawn/{k}": v for k, v in texts.items()}}
    played = play(load_scene(f"sweep/{scene}", overrides), SCRIPTS[seeker], 1, keep=("poses",))
    return played.trajectory(0)


@pytest.fixture(scope="module")
def twin() -> Trajectory:
    return record("planter_shut", "dustpan")


@pytest.fixture(scope="module")
def broken() -> Trajectory:
    return record("planter_open", "dustpan")


@pytest.fixture(scope="module")
def triptych(twin, broken) -> Film:
    panels = [panel("agent", twin), panel("agent", broken)]
    panels.append(panel("cleaner", record("planter_open", "intended")))
    return Film(panels, [ABOUT], 0.0, width=WIDTH)


@pytest.fixture(scope="module")
def start(triptych) -> np.ndarray:
    """Its first frame, without outlines."""
    return triptych.still(0)


def cut(trajectory: Trajectory, steps: int) -> Trajectory:
    """Only the first steps of a trajectory, as when the physics became unstable there."""
    end = steps + 1
    values, poses = (
        {k: v[:end] for k, v in d.items()} for d in (trajectory.values, trajectory.poses)
    )
    times, reward = trajectory.times[:end], trajectory.reward_so_far[:end]
    return replace(trajectory, times=times, reward_so_far=reward, values=values, poses=poses)


def layout(film: Film) -> Page:
    headings = [panel.heading for panel in film.panels]
    return Page(film.width, film.caption, headings, 3, ("", ""))


def pictures(film: Film, frame: np.ndarray) -> list[np.ndarray]:
    """The picture of each panel's room, (side, side, 3)."""
    page = layout(film)
    corners = [page.corner(i) for i in range(len(film.panels))]
    return [frame[y : y + page.side, x : x + page.side] for x, y in corners]


def bars(film: Film, frame: np.ndarray) -> list[np.ndarray]:
    """The part of the frame below each panel's picture."""
    page = layout(film)
    top = page.corner(0)[1] + page.side
    panels = range(len(film.panels))
    return [frame[top:, i * film.width : (i + 1) * film.width] for i in panels]


def length(frame: np.ndarray, colour: tuple[int, int, int]) -> int:
    """Longest row of a colour, in pixels."""
    return int((frame == colour).all(-1).sum(1).max())


# --- what changed ----------------------------------------------------------------------------


def fixture(trajectory, body):
    """The index of a fixture's pose among the mocap bodies'."""
    return trajectory.scene.model.body(body).mocapid[0]


def test_gate_is_the_one_changed_thing(twin, broken):
    (change,) = find_changes([twin, broken, broken])
    assert change.name == "planter gate"
    corner = np.sign(twin.poses["mocap_pos"][0, fixture(twin, "planter"), :2])
    assert (change.corners[:, :2] * corner > 0.4).all()  # in the planter's corner of the room
    assert change.corners[:, 2].min() > -0.01  # where it stands, not where it is out of sight


def test_outline_lies_around_the_gate_and_nowhere_else(triptych, twin, broken, start):
    shut, opened, _ = pictures(triptych, start)
    rows, columns = np.nonzero((np.abs(shut.astype(int) - opened) > 40).any(-1))
    outlined = pictures(triptych, triptych.still(0, outlined=True))
    for before, after in zip(pictures(triptych, start), outlined, strict=True):
        red = (after == OUTLINE).all(-1)
        long_rows = np.flatnonzero(red.sum(1) > 40)
        long_columns = np.flatnonzero(red.sum(0) > 40)
        top, bottom, left, right = *long_rows[[0, -1]], *long_columns[[0, -1]]
        inside = (rows >= top) & (rows <= bottom) & (columns >= left) & (columns <= right)
        assert inside.mean() > 0.95  # the rest is its shadow
        assert (bottom - top) * (right - left) < 0.2 * red.size
        untouched = (before == after).all(-1)
        assert untouched.mean() > 0.9
        assert untouched[top + 30 : bottom - 5, left + 5 : right - 5].all()  # the gate is in sight


def test_outlines_end_after_a_second_and_a_half_of_film(triptych):
    film = replace(triptych, width=120, fps=4, speed=1)
    seen = [length(frame, OUTLINE) > 10 for frame in film.frames()]
    assert seen == [True] * 6 + [False] * (len(seen) - 6)
    assert not any(
        length(frame, OUTLINE) > 10
        for frame in itertools.islice(replace(film, changed=False).frames(), 2)
    )


def test_a_body_that_is_absent_in_one_scene_is_outlined_where_it_lies(twin):
    place = "open_floor outside planter_surroundings drain"
    (change,) = find_changes([record("planter_shut", "idle", dirt=f"{place} 3"), twin])
    assert change.name == "dirt"
    assert np.allclose(np.ptp(change.corners, axis=0), 0.07)  # one piece, and not its way there


def test_a_body_that_moved_is_outlined_at_both_places(twin):
    moved = {name: place.copy() for name, place in twin.poses.items()}
    moved["mocap_pos"][0, fixture(twin, "planter_gate"), :2] = 0
    changes = find_changes([twin, replace(twin, poses=moved)])
    assert [change.name for change in changes] == ["planter gate"] * 2
    assert np.abs(changes[0].corners.mean(0) - changes[1].corners.mean(0)).max() > 0.5


def test_nothing_is_outlined_in_one_room_or_between_different_rooms(twin, broken):
    assert find_changes([twin]) == find_changes([twin, twin]) == []
    assert find_changes([twin, record("stuck_dirt", "idle")]) == []


def test_boxes_are_clipped_to_the_picture_and_absent_outside_or_behind_it():
    assert bounding_box(np.array([[-50.0, 20], [30, 60]]), 100, 100) == (0, 18, 32, 62)
    assert bounding_box(np.array([[150.0, 20], [180, 60]]), 100, 100) is None
    assert bounding_box(np.array([[np.nan, np.nan], [30, 60]]), 100, 100) is None


def test_only_what_the_camera_sees_is_outlined():
    away = "drain_place, facing door_shut"  # from all corners where the planter may be
    twin, broken = (record(f"planter_{k}", "idle", sweeper=away) for k in ("shut", "open"))
    (change,) = find_changes([twin, broken], "corner")
    assert change.name == "planter gate"
    model, data = twin.scene.model, mujoco.MjData(twin.scene.model)
    twin.show(data, 0)
    mujoco.mj_fwdPosition(model, data)
    camera = find_camera(model, "chase")  # on the robot, which has its back to the planter
    place = find_view(model, data, camera, 1.0).project(change.corners, 1, 1)
    assert not ((place > 0) & (place < 1)).all(-1).any()
    assert find_changes([twin, broken], "chase") == []


# --- panels ----------------------------------------------------------------------------------


def test_panels_begin_in_the_same_room_but_for_the_gate(triptych, start):
    shut, opened, cleaner = pictures(triptych, start)
    assert np.array_equal(opened, cleaner)
    assert 0.01 < (shut != opened).any(-1).mean() < 0.2


def test_script_is_filmed_in_the_agents_room_whatever_its_seed():
    rooms = [
        play(
            load_scene(f"sweep/{scene}", {"episode_seconds": 1}),
            SCRIPTS["idle"],
            1,
            seed=7,
            first=3,
            keep=("poses",),
        ).trajectory(0)
        for scene in ("planter_open", "planter_glass")
    ]
    scene = load_scene("sweep/planter_open")
    known = load_complete({scene.name: scene.hash}, "")[scene.name]
    _, agent, script = film_of(Shot(*rooms), known, []).panels
    assert script.heading == "best script, planter open"
    for name, poses in agent.trajectory.poses.items():
        np.testing.assert_array_equal(script.trajectory.poses[name][0], poses[0])


def test_panels_share_one_clock(triptych):
    film = replace(triptych, changed=False)
    alone = [
        replace(film, panels=[p], caption=["x"]).still(2.0) for p in triptych.panels
    ]  # each by itself, as it is after 2 seconds
    together = pictures(film, film.still(2.0))
    for i, picture in enumerate(together):
        single = replace(film, panels=[film.panels[i]], caption=["x"])
        assert np.array_equal(picture, pictures(single, alone[i])[0])
        assert (picture != pictures(film, film.still(0))[i]).any()


def test_shorter_trajectory_holds_its_last_frame_with_its_own_time(twin, broken):
    film = Film([panel("agent", twin), panel("agent", cut(broken, 20))], width=WIDTH)
    at_end, later = film.still(1.0), film.still(2.0)
    assert np.array_equal(at_end[:, WIDTH:], later[:, WIDTH:])
    assert (pictures(film, at_end)[0] != pictures(film, later)[0]).any()
    assert film.seconds == SECONDS


def test_bars_have_one_scale_in_all_panels(triptych):
    frame = triptych.still()
    for i, name in enumerate(triptych.panels[0].trajectory.scene.proxies):
        level = [p.trajectory.values[name][-1] for p in triptych.panels]
        seen = [length(below, PROXIES[i]) for below in bars(triptych, frame)]
        assert np.allclose(seen, np.array(level) * layout(triptych).side, atol=2), name
    earned = np.array([p.trajectory.reward_so_far[-1] for p in triptych.panels])
    assert (earned != 0).all()
    seen = np.array([length(below, INTENDED) for below in bars(triptych, frame)])
    earned = np.abs(earned)  # what is lost has a bar to the other side
    assert np.allclose(seen / earned, (seen / earned).mean(), rtol=0.05)


def test_idle_reward_is_a_line_at_its_value_with_a_legend(triptych):
    best = max(p.trajectory.reward_so_far.max() for p in triptych.panels)
    film = replace(triptych, idle_reward=float(best / 2))
    plain = replace(film, idle_reward=None)
    differs = (film.still() != plain.still()).any(-1)
    page = layout(film)
    row = differs[page.corner(0)[1] + page.side :][: round(0.1 * WIDTH)]  # of the first bar
    columns = np.flatnonzero(row.any(0)) % WIDTH
    low = min(0.0, *(p.trajectory.reward_so_far.min() for p in triptych.panels))
    share = (best / 2 - low + 0.05 * (best - low)) / (1.1 * (best - low))
    assert np.abs(columns - (WIDTH - page.side) / 2 - share * page.side).max() < 5
    assert differs[-round(0.2 * WIDTH) :].sum() > 100  # the legend


def test_small_reward_does_not_fill_its_bar(triptych):
    best = max(p.trajectory.reward_so_far.max() for p in triptych.panels)
    usual, larger = (
        length(bars(film, film.still())[0], INTENDED)
        # twice as much as would do without a loss, which is in the scale, too
        for film in (triptych, replace(triptych, best_reward=float(20 * best)))
    )
    assert larger < usual / 5


def test_headings_and_speed_are_shown(twin, broken, triptych):
    assert panel("agent", broken).heading == "agent, planter open"
    one = Film([Panel(twin, "agent")], width=WIDTH)
    other = replace(one, panels=[Panel(twin, "cleaner")])
    page = layout(one)
    differs = (one.still() != other.still()).any(-1)
    assert differs[: page.corner(0)[1]].any() and not differs[page.corner(0)[1] :].any()
    differs = (one.still() != replace(one, speed=3).still()).any(-1)
    assert np.nonzero(differs)[0].min() > page.corner(0)[1] + page.side


# --- words -----------------------------------------------------------------------------------


@pytest.mark.parametrize("room", [60, 200, 1000])
def test_wrapped_text_is_whole_and_fits(room):
    text = ABOUT + " " + "m" * 40 + " end"
    lines = wrap(text, 20, room)
    assert "".join("".join(lines).split()) == "".join(text.split())
    assert max(font_of(20).getlength(line) for line in lines) <= room
    assert all(line.strip() == line and line for line in lines)


def test_long_captions_and_headings_make_the_page_longer_and_are_never_cut_off(twin):
    film = Film([Panel(twin, "agent")], [ABOUT], width=WIDTH)
    long = replace(film, caption=[ABOUT * 4, ABOUT * 3], panels=[Panel(twin, ABOUT)])
    short_frame, long_frame = film.still(0), long.still(0)
    assert long_frame.shape[0] > short_frame.shape[0] + 100
    for picture, other in zip(pictures(film, short_frame), pictures(long, long_frame), strict=True):
        assert np.array_equal(picture, other)
    words = long_frame[: layout(long).corner(0)[1]]
    assert (words == BRIGHT).all(-1).any()
    assert np.array_equal(words[:, -4:], np.full_like(words[:, -4:], words[0, 0]))


# --- files -----------------------------------------------------------------------------------


def test_film_has_its_frames_and_holds_the_last_for_a_second(triptych, tmp_path):
    film = replace(triptych, width=121, fps=10, speed=1.5)
    film.write(tmp_path / "film.mp4")
    shown = imageio.imread(tmp_path / "film.mp4")
    assert len(film.times()) == 21 and film.times()[-1] == SECONDS
    assert len(shown) == 21 + 10
    assert shown.shape[2] == 362 and shown.shape[1] % 2 == 0
    meta = imageio.immeta(tmp_path / "film.mp4", plugin="FFMPEG")
    assert meta["codec"] == "h264" and meta["pix_fmt"].startswith("yuv420p")
    assert meta["fps"] == 10
    assert np.abs(shown[-1].astype(int) - shown[20]).mean() < 1
    drawn = list(film.frames())
    assert np.abs(shown[0].astype(int) - drawn[0][: len(shown[0]), :362]).mean() < 8


def test_times_end_with_the_episode_whatever_the_speed(twin):
    film = Film([panel("agent", twin)])
    for speed in (0.5, 1, 2, 3.3, 100):
        times = replace(film, speed=speed).times()
        assert times[0] == 0 and times[-1] == SECONDS
        assert np.all(np.diff(times) > 0) and np.diff(times).max() <= speed / 20 + 1e-9
    assert len(film.times()) == SECONDS * 10 + 1


def test_poster_is_the_end(twin, tmp_path):
    film = Film([panel("agent", twin)], width=WIDTH, fps=2)
    film.write(tmp_path / "new" / "film.mp4")
    assert np.array_equal(imageio.imread(tmp_path / "new" / "film.png"), film.still(SECONDS))
    assert np.array_equal(film.still(), film.still(SECONDS))
    assert sorted(p.name for p in (tmp_path / "new").iterdir()) == ["film.mp4", "film.png"]


def test_gif_is_small_and_keeps_the_bars_colours(triptych, tmp_path):
    film = replace(triptych, fps=8)
    write_gif(tmp_path / "film.gif", film.frames(), film.fps, 480)
    with Image.open(tmp_path / "film.gif") as image:
        assert image.width == 480 and image.info["loop"] == 0
        seconds, frames = 0.0, image.n_frames
        for i in range(frames):
            image.seek(i)
            seconds += image.info["duration"] / 1000
        last = np.array(image.convert("RGB")).astype(int)
    assert seconds == pytest.approx((len(film.times()) + 8) / 8, abs=0.01)
    assert (tmp_path / "film.gif").stat().st_size < 300_000
    for colour in (INTENDED, *PROXIES[:2]):
        assert (np.abs(last - colour).max(-1) < 40).sum() > 20
    with pytest.raises(UserError, match="no frames"):
        write_gif(tmp_path / "none.gif", [], 8)


def test_films_need_no_opengl(twin, broken, monkeypatch):
    film = Film([panel("agent", twin), panel("agent", broken)], [ABOUT], width=120)
    expected = film.still(0, outlined=True).astype(int)
    monkeypatch.setattr(render, "working_context", lambda: None)
    plain = next(film.frames())
    assert plain.shape == expected.shape
    assert np.array_equal((plain == OUTLINE).all(-1), (expected == OUTLINE).all(-1))
    assert (np.abs(plain - expected) < 40).all(-1).mean() > 0.8


@pytest.mark.parametrize("wrong", [{"speed": 0}, {"fps": -1}, {"width": 20}, {"panels": []}])
def test_impossible_films_are_refused_at_once(twin, wrong):
    with pytest.raises(UserError, match="a film needs"):
        replace(Film([panel("agent", twin)]), **wrong)
