"""Frames without OpenGL: a ray through every pixel, and the light on what it meets.

The picture is OpenGL's, pixel by pixel, without textures on bodies, highlights, shadows,
reflections, transparency, or anything that is not a geom.
"""

import mujoco
import numpy as np

from sandbox_envs.view.camera import view_of, what_to_draw


class RayPainter:
    """Casts a ray through every pixel and shades what it meets (Lambert, no shadows)."""

    def __init__(self, model: mujoco.MjModel, width: int, height: int) -> None:
        self._model, self._width, self._height = model, width, height
        self._scene, self._option = what_to_draw(model)
        self._looks = _Looks(model)

    def works(self) -> bool:
        """Whether it can draw in this process, which rays always can."""
        return True

    def paint(self, data: mujoco.MjData, camera: mujoco.MjvCamera) -> np.ndarray:
        """A frame (height, width, 3) uint8."""
        every = mujoco.mjtCatBit.mjCAT_ALL.value
        mujoco.mjv_updateScene(self._model, data, self._option, None, camera, every, self._scene)
        eye, rays = self._rays()
        geoms, distance, normals = self._cast(data, eye, rays)
        colours = self._looks.sky(rays)
        hit = np.flatnonzero(geoms >= 0)
        points = eye + rays[hit] * distance[hit, None]
        surface = self._looks.surface(self._scene, data, geoms[hit], points)
        colours[hit] = surface * _light(self._scene, points, normals[hit])
        colours[hit] += surface * self._looks.emission[geoms[hit], None]
        frame = (np.clip(colours, 0, 1) * 255).astype(np.uint8)
        return frame.reshape(self._height, self._width, 3)

    def close(self) -> None:
        """Nothing to free."""

    def _rays(self) -> tuple[np.ndarray, np.ndarray]:
        """The camera's place (3,) and a unit vector through every pixel, (pixels, 3)."""
        view = view_of(self._scene, self._width / self._height)
        x = view.half * ((np.arange(self._width) + 0.5) * 2 / self._width - 1)
        y = (np.arange(self._height) + 0.5) / self._height * (view.bottom - view.top) + view.top
        rays = (view.forward + y[:, None, None] * view.up) + x[:, None] * view.across
        rays = rays.reshape(-1, 3)
        return view.eye, rays / np.linalg.norm(rays, axis=1, keepdims=True)

    def _cast(
        self, data: mujoco.MjData, eye: np.ndarray, rays: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The first hit of each ray: geom (-1 for none), distance, and normal (pixels, 3)."""
        n = len(rays)
        geoms, distance, normals = np.full(n, -1, np.int32), np.zeros(n), np.zeros((n, 3))
        mujoco.mj_multiRay(
            self._model, data, eye, rays.ravel(), self._option.geomgroup, True, -1,
            geoms, distance, normals.ravel(), n, mujoco.mjMAXVAL,
        )  # fmt: skip
        return geoms, distance, normals


class _Looks:
    """Colours of a model's surfaces and sky, as OpenGL would have them before light falls on."""

    def __init__(self, model: mujoco.MjModel) -> None:
        self._model = model
        self.emission = np.zeros(model.ngeom)
        self._colour = np.zeros((model.ngeom, 3))
        self._textures = {i: _texture(model, i) for i in range(model.ntex)}
        self._sky = _sky_colours(model, self._textures)

    def sky(self, rays: np.ndarray) -> np.ndarray:
        """The sky's colour in each direction, (n, 3)."""
        elevation = np.arcsin(np.clip(rays[:, 2], -1, 1))
        stops = (-np.pi / 2, 0, np.pi / 2)
        return np.stack([np.interp(elevation, stops, channel) for channel in self._sky.T], -1)

    def surface(
        self, scene: mujoco.MjvScene, data: mujoco.MjData, geoms: np.ndarray, points: np.ndarray
    ) -> np.ndarray:
        """The colour (n, 3) of the surface of `geoms` (n,) at `points` (n, 3)."""
        tiled = []
        for drawn in scene.geoms[: scene.ngeom]:
            if drawn.objtype == mujoco.mjtObj.mjOBJ_GEOM.value:
                self._colour[drawn.objid] = drawn.rgba[:3]
                self.emission[drawn.objid] = drawn.emission
                if drawn.matid >= 0:
                    tiled.append(drawn)
        colours = self._colour[geoms]
        for drawn in tiled:
            self._tile(drawn, data, geoms, points, colours)
        return colours

    def _tile(
        self,
        drawn: mujoco.MjvGeom,
        data: mujoco.MjData,
        geoms: np.ndarray,
        points: np.ndarray,
        colours: np.ndarray,
    ) -> None:
        """Multiply a geom's texture into the colours: in place on planes, elsewhere its mean."""
        used = self._model.mat_texid[drawn.matid]
        texture = used[mujoco.mjtTextureRole.mjTEXROLE_RGB.value]
        mine = np.flatnonzero(geoms == drawn.objid)
        if texture < 0 or not len(mine):
            return
        image = self._textures[int(texture)]
        if drawn.type != mujoco.mjtGeom.mjGEOM_PLANE.value:
            colours[mine] *= image.mean((0, 1))
            return
        frame = data.geom_xmat[drawn.objid].reshape(3, 3)
        local = (points[mine] - data.geom_xpos[drawn.objid]) @ frame[:, :2]
        size = np.where(drawn.size[:2] > 0, drawn.size[:2], 1)  # an endless plane has size 0
        repeats = drawn.texrepeat * (size if drawn.texuniform else 1)
        u, v = ((local / size * [1, -1] + 1) / 2 * repeats).T  # from the upper left corner
        height, width = image.shape[:2]
        colours[mine] *= image[(v * height).astype(int) % height, (u * width).astype(int) % width]


def _texture(model: mujoco.MjModel, i: int) -> np.ndarray:
    """A texture as (height, width, 3) in [0, 1]."""
    height, width, channels = model.tex_height[i], model.tex_width[i], model.tex_nchannel[i]
    start = model.tex_adr[i]
    pixels = model.tex_data[start : start + height * width * channels]
    return pixels.reshape(height, width, channels)[..., :3].astype(np.float64) / 255


def _sky_colours(model: mujoco.MjModel, textures: dict[int, np.ndarray]) -> np.ndarray:
    """The skybox's colours below, at the horizon and above, (3, 3); black without a skybox."""
    skies = np.flatnonzero(model.tex_type == mujoco.mjtTexture.mjTEXTURE_SKYBOX.value)
    if not len(skies):
        return np.zeros((3, 3))
    image = textures[int(skies[0])]
    side = image.shape[1]
    middles = image.reshape(-1, side, side, 3)[:, side // 2, side // 2]
    # the faces are right, left, up, down, front, back; or one serves for all
    return middles[[3, 4, 2]] if len(middles) == 6 else middles[[0, 0, 0]]


def _light(scene: mujoco.MjvScene, points: np.ndarray, normals: np.ndarray) -> np.ndarray:
    """The red, green and blue light on surfaces at `points` with `normals`, (n, 3)."""
    total = np.zeros_like(points)
    strength: np.ndarray | float
    for light in scene.lights[: scene.nlight]:
        if light.type == mujoco.mjtLightType.mjLIGHT_DIRECTIONAL.value:
            towards, strength = -light.dir[None].astype(np.float64), 1.0
        else:
            towards = light.pos - points
            towards /= np.linalg.norm(towards, axis=1, keepdims=True) + 1e-9
            strength = _spot(light, towards)
        facing = np.maximum((normals * towards).sum(1, keepdims=True), 0)
        total += strength * (light.ambient + facing * light.diffuse)
    return total


def _spot(light: mujoco.MjvLight, towards: np.ndarray) -> np.ndarray | float:
    """The share (n, 1) of a spot light's strength in its beam; 1 for other lights."""
    if light.type != mujoco.mjtLightType.mjLIGHT_SPOT.value:
        return 1.0
    cosine = np.maximum(-(towards @ light.dir), 0)[:, None]
    inside = cosine >= np.cos(np.radians(light.cutoff))
    return np.where(inside, cosine**light.exponent, 0.0)
